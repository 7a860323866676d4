"""Worked examples for base models, written for this package: none is from a benchmark."""

from __future__ import annotations

from skillforge import Problem
from skillforge_openmath.protocols import LLM_CODE

_WORKED = (
    (
        "A florist binds 14 bouquets of 9 roses each. She started the day with 150 roses. How many are left over?",
        "I let Python count the roses that the bouquets take, and subtract them from what she started with.",
        "in_bouquets = 14 * 9\nleft_over = 150 - in_bouquets\nleft_over",
        "24",
        "After 14 bouquets, \\boxed{24} roses are left over.",
        "24",
    ),
    (
        "Ravi runs 5 km on each weekday and 12 km on each day of the weekend. How many km does he run in 6 weeks?",
        "A week has 5 weekdays and 2 days of weekend. I compute one week first and multiply it by 6.",
        "weekdays = 5 * 5\nweekend = 2 * 12\nper_week = weekdays + weekend\nper_week * 6",
        "294",
        "In 6 weeks Ravi runs \\boxed{294} km.",
        "294",
    ),
    (
        "A jar has three times as many red beads as blue ones. After 10 beads of each colour are taken out, there are "
        "five times as many red beads as blue ones. How many blue beads were in the jar at first?",
        "Let b be the number of blue beads at first, so that there are 3b red ones. After the change, 3b - 10 must be "
        "5(b - 10). I solve this with sympy.",
        "import sympy as sp\n\nb = sp.symbols('b')\nsp.solve(sp.Eq(3 * b - 10, 5 * (b - 10)), b)",
        "[20]",
        "There were \\boxed{20} blue beads in the jar at first.",
        "20",
    ),
    (
        "Mia saves $35 in January, and in each month after that $5 more than in the month before. In which month of "
        "the year have her savings passed $300 for the first time? Give its number.",
        "I add up month by month until the sum is above 300.",
        "saved, amount, month = 0, 35, 0\nwhile saved <= 300:\n    saved += amount\n    amount += 5\n    month += 1\n"
        "print(month, saved)",
        "7 350",
        "After month 7 she has 350 dollars, which is the first time above 300. The answer is \\boxed{7}.",
        "7",
    ),
    (
        "A phone costs $480. A shop takes 15% off, and members pay 10% less on the reduced price. How many dollars "
        "does a member pay?",
        "Both discounts apply one after the other, so I keep 85% and then 90% of the price. Fractions keep it exact.",
        "from fractions import Fraction\n\nprice = 480 * Fraction(85, 100) * Fraction(90, 100)\nfloat(price)",
        "367.2",
        "A member pays \\boxed{367.2} dollars.",
        "367.2",
    ),
)


def _solution(thought: str, code: str, output: str, conclusion: str) -> str:
    block = f"{LLM_CODE.code_begin}{code}\n{LLM_CODE.code_end}"
    return f"{thought}\n{block}{LLM_CODE.output_begin}{output}{LLM_CODE.output_end}{conclusion}"


EXAMPLES = tuple(
    Problem(
        id=f"openmath-base-{number}",
        question=question,
        expected_answer=answer,
        reference_solution=_solution(thought, code, output, conclusion),
    )
    for number, (question, thought, code, output, conclusion, answer) in enumerate(_WORKED, 1)
)
"""Five examples, the plainest first. The model writes their code, the interpreter their outputs."""
