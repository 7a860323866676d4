"""What the contract of a grader that asks a model adds to that of any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge.parts.grader import Grader, ModelGrader, ModelGraderOptions, Verdict
from skillforge.parts.part import PartOptions
from skillforge.parts.problem import Problem
from skillforge.parts.transcript import Message, Transcript
from skillforge.testing.examples import HOSTILE_TEXTS, PROBLEM, transcript
from skillforge.testing.isolated import CallFailed, Isolated
from skillforge.testing.report import Checks, Skip, expect

_UNREADABLE = ("", " \n\t", "?", "\x00", "Let me think about this first.")
_ASKED = transcript("The answer is \\boxed{8}.")


class Answered(Grader):
    """A ModelGrader whose model gives one and the same `reply` to all questions: a grader like any other."""

    def __init__(self, part: ModelGrader, reply: str) -> None:
        self.name = part.name
        self._part = part
        self._reply = reply

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        asked = self._part.questions(problem, transcript, options, answer)
        if isinstance(asked, Verdict):
            return asked
        _expect_questions(asked)
        return self._part.conclude(problem, transcript, options, answer, (self._reply,) * len(asked))

    def group(self, answers: Sequence[str], options: Any) -> list[int]:
        return self._part.group(answers, options)


def _expect_questions(asked: object) -> None:
    if not isinstance(asked, tuple) or not asked:
        raise TypeError(f"questions() returned {asked!r:.80}, not a Verdict or a tuple of questions")
    for question in asked:
        if not isinstance(question, tuple) or not question or not all(isinstance(each, Message) for each in question):
            raise TypeError(f"a question is {question!r:.80}, not a tuple of Messages")


def check_asking(checks: Checks, part: ModelGrader, options: PartOptions, limit: float) -> None:
    """Check how `part` reads replies; each may take `limit` seconds."""
    with checks.check("options of a judge", "let its Options be a subclass of ModelGraderOptions"):
        expect(isinstance(options, ModelGraderOptions), f"they are {type(options).__name__}")
    with checks.check("unreadable replies", "answer a reply that holds no verdict with Verdict(state='error')"):
        for reply in _UNREADABLE:
            verdict = part.conclude(PROBLEM, _ASKED, options, None, _replies(part, options, reply))
            expect(verdict.state == "error", f"the reply {reply!r} made the sample {verdict.state}")
    with Isolated(part, limit) as elsewhere:
        for bad, text in HOSTILE_TEXTS.items():
            with checks.check(f"hostile reply: {bad}", "bound what is read of a reply, and never raise on one"):
                try:
                    verdict = elsewhere.call("conclude", PROBLEM, _ASKED, options, None, _replies(part, options, text))
                except CallFailed as failed:
                    expect(False, f"it {failed}")
                expect(isinstance(verdict, Verdict), f"it returned {type(verdict).__name__}, not Verdict")


def _replies(part: ModelGrader, options: PartOptions, reply: str) -> tuple[str, ...]:
    asked = part.questions(PROBLEM, _ASKED, options, None)
    if isinstance(asked, Verdict):
        raise Skip(f"it asked nothing about the answer 8 where 7 is expected ({asked.state})")
    return (reply,) * len(asked)
