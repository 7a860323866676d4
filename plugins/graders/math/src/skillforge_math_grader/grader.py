"""The part: reads the answer of a transcript and judges it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Grader, PartOptions, Problem, Transcript, Verdict
from skillforge_math_grader.check import check
from skillforge_math_grader.extract import MAX_READ, Kind, extract
from skillforge_math_grader.grouping import group


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
        tuple[str, ...], Meta(description="Only these rules find an answer; by default those of the kind.")
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
        rule = "read by the prompt style"
        if answer is None or not answer.strip():
            text = transcript.answer_text
            found = extract(text, options.kind, options.rules or None)
            if found is None:
                limit = f" in the last {MAX_READ} characters" if len(text) > MAX_READ else ""
                return Verdict(state="no-answer", reason=f"no answer found{limit}")
            answer, rule = found.answer, found.rule
        verdict = check(problem.expected_answer, answer, options.policy)
        undecided = "undecided, " if verdict.outcome == "undecided" else ""
        return Verdict(
            state="correct" if verdict.equal else "wrong",
            answer=_storable(answer),
            reason=f"{rule}; {undecided}{verdict.stage}: {verdict.reason}",
        )

    def group(self, answers: Sequence[str]) -> list[int]:
        """Classes of equal answers, as `check` compares them."""
        return group(answers)


def _storable(answer: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, as escapes."""
    return answer if answer.isascii() else answer.encode("utf-8", "backslashreplace").decode("utf-8")
