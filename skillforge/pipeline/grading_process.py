"""Grading in a process of its own: text that makes a grader hang or crash harms no other.

    python -m skillforge.pipeline.grading_process

is the process; `grading_pool` starts it and speaks with it. Its first message is the pickled Judge; each further one is a
question (the letter of a method, then its argument as JSON), and gets an answer (OK and the result as JSON, or FAILED and
what was raised) in the same order.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skillforge.child import Parent
from skillforge.parts.grader import Grader, Step, Verdict
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sample import Sample
from skillforge.runs.rows import encoded
from skillforge.text import one_line

JUDGE, EXPLAIN, GROUP = b"j", b"e", b"g"
OK, FAILED = b"+", b"-"

MEMORY_SHARE = 0.25
MEMORY_LEAST = 4 * 2**30
"""Most bytes of data that one process may hold: a share of the machine's memory, but not less than this."""


class Judge:
    """A grader with its options, and the prompt style that may read the answer for it."""

    def __init__(self, grader: Grader, options: Any, style: PromptStyle | None) -> None:
        self.grader = grader
        self._options = options
        self.style = style

    def judge(self, sample: Sample) -> Verdict:
        """The verdict on `sample`. Raises whatever the grader raises."""
        answer = self.style.read_answer(sample.transcript.answer_text) if self.style else None
        verdict = self.grader.grade(sample.problem, sample.transcript, self._options, answer)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"it returned {type(verdict).__name__}, not a Verdict")
        return verdict

    def explain(self, sample: Sample) -> tuple[Step, ...]:
        """How the verdict on `sample` is found."""
        began = time.perf_counter()
        answer = self.style.read_answer(sample.transcript.answer_text) if self.style else None
        taken = 1000 * (time.perf_counter() - began)
        steps = self.grader.explain(sample.problem, sample.transcript, self._options, answer)
        if self.style is None or answer is None:
            return steps
        return (Step(f"the prompt style '{self.style.name}' reads the answer", "found", answer, taken), *steps)

    def group(self, answers: Sequence[str]) -> Sequence[int]:
        """Classes of equal answers."""
        return self.grader.group(answers, self._options)


def _serve() -> None:
    parent = Parent()
    _be_the_first_to_go()
    try:
        judge: Judge = pickle.loads(parent.receive())
    except BaseException as error:
        parent.send(FAILED + _fault(error))
        os._exit(1)
    parent.send(OK)
    methods: dict[int, tuple[Callable[[Any], Any], msgspec.json.Decoder[Any]]] = {
        JUDGE[0]: (judge.judge, msgspec.json.Decoder(Sample)),
        EXPLAIN[0]: (judge.explain, msgspec.json.Decoder(Sample)),
        GROUP[0]: (judge.group, msgspec.json.Decoder(list[str])),
    }
    while True:
        try:
            message = parent.receive()
        except EOFError:
            os._exit(0)  # threads and exit handlers that a plugin left behind are not waited for
        method, decoder = methods[message[0]]
        try:
            answer = OK + encoded(method(decoder.decode(message[1:])))
        except BaseException as error:  # a grader that calls sys.exit() has failed on this text, and on no other
            answer = FAILED + _fault(error)
        parent.send(answer)


def _fault(error: BaseException) -> bytes:
    return f"raised {type(error).__name__}: {one_line(str(error))}".encode("utf-8", "replace")


def _be_the_first_to_go() -> None:
    """Where memory runs out, this process is the one to fail, before it makes the machine slow."""
    most = max(MEMORY_LEAST, int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    _serve()
