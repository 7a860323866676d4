"""One grader in a process of its own, for `grading.py`: a line of JSON in for a pair, one out with the verdict and its cost.

    python bench/grading_worker.py GRADER            # the protocol
    python bench/grading_worker.py GRADER --memory N # N made-up pairs, a line with the resident MB after each tenth

It runs in the environment of its grader, so that it imports no more than the standard library and that grader.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

Grade = Callable[[str, str, str], str]
"""From gold, prediction and kind to `equal`, `different` or `undecided`."""

NO_BARE_MATHEMATICS = re.compile(r"(?<!\\)\$|\\\(|\\\[|\\boxed|^\*\*|^[0-9.,]+ [a-z]{3,}")
WARM_UP = (("1/2", "0.5"), (r"2\sqrt{3}", r"\sqrt{12}"), ("(1,2)", "(1, 2)"), ("x^2+2x+1", "(x+1)^2"))


def main() -> None:
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a grader prints is no answer
    grade = GRADERS[sys.argv[1]]()
    for gold, predicted in WARM_UP:
        grade(gold, predicted, "answer")
    if sys.argv[2:3] == ["--memory"]:
        _measure_memory(grade, int(sys.argv[3]), output)
    else:
        _serve(grade, output)


def _serve(grade: Grade, output: TextIO) -> None:
    _say(output, {"peak_mb": _peak_mb(), "total_cpu": time.process_time(), "children_cpu": _children_cpu()})
    for line in sys.stdin:
        pair = json.loads(line)
        started, cpu = time.perf_counter(), time.process_time()
        try:
            outcome = grade(pair["gold"], pair["pred"], pair["kind"])
        except Exception as error:
            outcome = f"error: {type(error).__name__}"
        cpu = time.process_time() - cpu
        milliseconds = (time.perf_counter() - started) * 1000
        total = {"peak_mb": _peak_mb(), "total_cpu": time.process_time(), "children_cpu": _children_cpu()}
        _say(output, {"outcome": outcome, "cpu": cpu, "milliseconds": milliseconds, **total})


def _measure_memory(grade: Grade, count: int, output: TextIO) -> None:
    from grading_pairs import made_up_pairs

    pairs = made_up_pairs(seed=1)
    _say(output, {"pairs": 0, "resident_mb": _resident_mb()})
    for tenth in range(10):
        for _ in range(count // 10):
            pair = next(pairs)
            grade(pair.gold, pair.pred, pair.kind)
        _say(output, {"pairs": (tenth + 1) * (count // 10), "resident_mb": _resident_mb()})


def _say(output: TextIO, message: dict[str, object]) -> None:
    output.write(json.dumps(message) + "\n")
    output.flush()


def _children() -> list[str]:
    """The processes below this one, alive now."""
    found, waiting = [], [str(os.getpid())]
    while waiting:
        parent = waiting.pop()
        try:
            lists = [(task / "children").read_text() for task in Path(f"/proc/{parent}/task").iterdir()]
        except OSError:
            continue
        children = " ".join(lists).split()
        found += children
        waiting += children
    return found


def _children_cpu() -> float:
    """CPU seconds of the processes below this one, ended and alive, to 10 ms."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime
    for child in _children():
        try:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def _peak_mb() -> float:
    """The highest resident memory so far, with that of the processes below, in MB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (own + sum(_status(child, "VmHWM") for child in _children())) / 1024


def _resident_mb() -> float:
    return (_status("self", "VmRSS") + sum(_status(child, "VmRSS") for child in _children())) / 1024


def _status(process: str, field: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)


def _skillforge(policy: str = "default") -> Grade:
    from skillforge_math_grader import check, extract

    def grade(gold: str, predicted: str, kind: str) -> str:
        if kind == "response":
            found = extract(predicted)
            if found is None:
                return "different"
            predicted = found.answer
        return check(gold, predicted, policy).outcome

    return grade


def _prm800k() -> Grade:
    """The rules of PRM800K, by our preset, on the answers that our extraction finds: it has none."""
    return _skillforge("prm800k")


def _math_verify() -> Grade:
    """As its README shows: parse both, then verify(gold, answer), within its own time limits."""
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)

    def grade(gold: str, predicted: str, kind: str) -> str:
        answer = parse(predicted if kind == "response" else _delimited(predicted))
        return "equal" if verify(parse(_delimited(gold)), answer) else "different"

    return grade


def _delimited(answer: str) -> str:
    """Mathematics between dollars, where math-verify looks for it; with delimiters, Markdown or a noun, as it is."""
    return answer if NO_BARE_MATHEMATICS.search(answer) else f"${answer}$"


GRADERS: dict[str, Callable[[], Grade]] = {"skillforge": _skillforge, "math-verify": _math_verify, "prm800k": _prm800k}

if __name__ == "__main__":
    main()
