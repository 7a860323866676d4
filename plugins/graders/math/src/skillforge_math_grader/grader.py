"""The part: reads the answer of a transcript and judges it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Grader, PartOptions, Problem, Step, Transcript, Verdict
from skillforge_math_grader.check import Verdict as Decision
from skillforge_math_grader.check import check, explain
from skillforge_math_grader.extract import MAX_READ, RULES, Kind, extract
from skillforge_math_grader.finding import OUTCOMES
from skillforge_math_grader.grouping import group
from skillforge_math_grader.worker import is_warm, warm_up

START_SECONDS = 10.0
"""What a run waits for sympy's start, once in each process."""


class MathOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the grader `math`."""

    policy: Annotated[
        Literal["default", "strict", "hendrycks", "prm800k", "nemo-2024"],
        Meta(description="What counts as equal; the last three repeat the decisions of other graders."),
    ] = "default"
    kind: Annotated[
        Kind, Meta(description="What answers look like, which decides the rules that find them in a text.")
    ] = "math"
    rules: Annotated[
        tuple[Literal[RULES], ...],  # type: ignore[valid-type]
        Meta(description="Only these rules find an answer; by default those of the kind."),
    ] = ()


class MathGrader(Grader):
    """Finds the final answer by fixed rules and compares its value. Evaluates nothing."""

    name = "math"
    summary = "Finds the final answer of a maths solution and compares it by value."
    Options = MathOptions

    def grade(
        self, problem: Problem, transcript: Transcript, options: MathOptions, answer: str | None = None
    ) -> Verdict:
        """`correct` or `wrong`; `no-answer` where the text holds none; `error` for a problem without expected answer."""
        if problem.expected_answer is None or not problem.expected_answer.strip():
            return Verdict(state="error", reason="the problem has no expected answer")
        found, rule = _find_answer(transcript, options, answer)
        if found is None:
            return Verdict(state="no-answer", reason=rule)
        verdict = _patiently(problem.expected_answer, found, options.policy)
        undecided = "undecided, " if verdict.outcome == "undecided" else ""
        return Verdict(
            state="correct" if verdict.equal else "wrong",
            answer=_storable(found),
            reason=_storable(f"{rule}; {undecided}{verdict.stage}: {verdict.reason}"),
        )

    def explain(
        self, problem: Problem, transcript: Transcript, options: MathOptions, answer: str | None = None
    ) -> tuple[Step, ...]:
        """Where the answer was found, what both sides are read as, each stage that was tried, and the verdict."""
        started = time.perf_counter()
        found, rule = _find_answer(transcript, options, answer)
        milliseconds = (time.perf_counter() - started) * 1000
        steps = [
            Step(
                "find the answer",
                "found" if found else "not found",
                f"{rule}: {found}" if found else rule,
                milliseconds,
            )
        ]
        if found is not None and problem.expected_answer:
            for heard in explain(problem.expected_answer, found, options.policy):
                outcome = (
                    OUTCOMES[heard.finding.equal]
                    if heard.finding
                    else "read"
                    if heard.stage.startswith("read")
                    else "-"
                )
                reason = f": {heard.finding.reason}" if heard.finding else ""
                steps.append(Step(heard.stage, outcome, heard.subject + reason, heard.milliseconds))
        verdict = self.grade(problem, transcript, options, answer)
        steps.append(Step("verdict", verdict.state, verdict.reason or ""))
        return tuple(Step(step.name, step.outcome, _storable(step.detail), step.milliseconds) for step in steps)

    def group(self, answers: Sequence[str], options: MathOptions) -> list[int]:
        """Classes of equal answers, as `check` compares them under the policy."""
        return group(answers, options.policy)


def _patiently(expected: str, predicted: str, policy: str) -> Decision:
    """As `check`, but a verdict does not depend on how long sympy takes to start."""
    verdict = check(expected, predicted, policy)
    if verdict.outcome == "undecided" and verdict.stage == "sympy" and not is_warm():
        warm_up(START_SECONDS)
        verdict = check(expected, predicted, policy)
    return verdict


def _find_answer(transcript: Transcript, options: MathOptions, answer: str | None) -> tuple[str | None, str]:
    """The answer and the rule that found it; None and why there is none."""
    if answer is not None and answer.strip():
        return answer, "read by the prompt style"
    text = transcript.answer_text
    found = extract(text, options.kind, options.rules or None)
    if found is None:
        return None, "no answer found" + (f" in the last {MAX_READ} characters" if len(text) > MAX_READ else "")
    return found.answer, found.rule


def _storable(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
