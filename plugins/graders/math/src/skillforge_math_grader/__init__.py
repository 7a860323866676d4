"""The grader `math`: finds the final answer of a maths solution and compares it by value with the expected one."""

from __future__ import annotations

from skillforge import hookimpl
from skillforge_math_grader.check import Verdict, check, explain
from skillforge_math_grader.extract import Extraction, extract
from skillforge_math_grader.grader import MathGrader
from skillforge_math_grader.grouping import group

__all__ = ["Extraction", "MathGrader", "Verdict", "check", "explain", "extract", "group"]

SKILLFORGE_CONTRACT = 1


@hookimpl
def skillforge_grader() -> MathGrader:
    return MathGrader()
