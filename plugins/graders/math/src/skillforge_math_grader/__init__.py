"""The grader `math`: finds the final answer of a maths solution and compares it exactly with the expected one."""

from __future__ import annotations

from collections.abc import Sequence

from skillforge import Grader, PartOptions, Problem, Transcript, Verdict, hookimpl
from skillforge_math_grader.check import Check, check, group
from skillforge_math_grader.extract import MAX_READ, Extraction, extract

__all__ = ["Check", "Extraction", "MathGrader", "check", "extract", "group"]

SKILLFORGE_CONTRACT = 1


class MathGrader(Grader):
    """Reads the final answer by fixed rules and compares exact numbers, or texts in a normal form. Evaluates nothing."""

    name = "math"
    summary = "Finds the final answer of a maths solution and compares it exactly."

    def grade(
        self, problem: Problem, transcript: Transcript, options: PartOptions, answer: str | None = None
    ) -> Verdict:
        """`correct` or `wrong`; `no-answer` where the text holds none; `error` for a problem without expected answer."""
        if problem.expected_answer is None or not problem.expected_answer.strip():
            return Verdict(state="error", reason="the problem has no expected answer")
        rule = "read by the prompt style"
        if answer is None or not answer.strip():
            text = transcript.answer_text
            found = extract(text)
            if found is None:
                limit = f" in the last {MAX_READ} characters" if len(text) > MAX_READ else ""
                return Verdict(state="no-answer", reason=f"no answer found{limit}")
            answer, rule = found.answer, found.rule
        outcome = check(problem.expected_answer, answer)
        return Verdict(
            state="correct" if outcome.equal else "wrong", answer=_storable(answer), reason=f"{rule}; {outcome.how}"
        )

    def group(self, answers: Sequence[str]) -> list[int]:
        """Classes of equal answers, as `check` compares them, in near-linear time."""
        return group(answers)


def _storable(answer: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, as escapes."""
    return answer if answer.isascii() else answer.encode("utf-8", "backslashreplace").decode("utf-8")


@hookimpl
def skillforge_grader() -> Grader:
    return MathGrader()
