"""Worked examples, written for this package: none is from a benchmark."""

from __future__ import annotations

from skillforge import Problem
from skillforge_tora.protocol import PROTOCOL

_WORKED = (
    (
        "A bakery fills 18 trays with 24 rolls each and sells 305 of the rolls. How many rolls remain?",
        "",
        "def rolls_that_remain():\n    baked = 18 * 24\n    sold = 305\n    return baked - sold\n\n"
        "print(rolls_that_remain())",
        "127",
        "The number of rolls that remain is $\\boxed{127}$.",
        "127",
    ),
    (
        "A circle has circumference $10\\pi$. What is its area?",
        "The circumference is $2\\pi r$, which gives the radius; the area is then $\\pi r^2$.",
        "from sympy import Eq, pi, solve, symbols\n\ndef area_of_the_circle():\n"
        "    r = symbols('r', positive=True)\n"
        "    radius = solve(Eq(2 * pi * r, 10 * pi), r)[0]\n    return pi * radius**2\n\n"
        "print(area_of_the_circle())",
        "25*pi",
        "The area is $\\boxed{25\\pi}$.",
        "25\\pi",
    ),
    (
        "Two of five cards numbered 1 to 5 are drawn without replacement. What is the probability that their sum is "
        "even?",
        "I list all pairs of cards and count those with an even sum.",
        "from itertools import combinations\n\nfrom sympy import Rational\n\ndef probability_of_an_even_sum():\n"
        "    pairs = list(combinations(range(1, 6), 2))\n    even = [pair for pair in pairs if sum(pair) % 2 == 0]\n"
        "    return Rational(len(even), len(pairs))\n\nprint(probability_of_an_even_sum())",
        "2/5",
        "The probability is $\\boxed{\\frac{2}{5}}$.",
        "\\frac{2}{5}",
    ),
    (
        "Find all real $x$ with $x^2 = 6x - 7$.",
        "This is a quadratic equation; sympy gives its roots exactly.",
        "from sympy import Eq, solve, symbols\n\ndef real_roots():\n    x = symbols('x', real=True)\n"
        "    return solve(Eq(x**2, 6 * x - 7), x)\n\nprint(real_roots())",
        "[3 - sqrt(2), sqrt(2) + 3]",
        "The solutions are $\\boxed{3 - \\sqrt{2}, 3 + \\sqrt{2}}$.",
        "3 - \\sqrt{2}, 3 + \\sqrt{2}",
    ),
    (
        "What is the smallest positive integer that leaves remainder 2 when divided by 7 and remainder 5 when divided "
        "by 9?",
        "The numbers are small, so I try them in order.",
        "from itertools import count\n\ndef smallest_number():\n"
        "    return next(n for n in count(1) if n % 7 == 2 and n % 9 == 5)\n\nprint(smallest_number())",
        "23",
        "The smallest such integer is $\\boxed{23}$.",
        "23",
    ),
)


def _solution(rationale: str, program: str, output: str, conclusion: str) -> str:
    code = f"{PROTOCOL.code_begin}{program}\n{PROTOCOL.code_end}"
    opening = f"{rationale}\n" if rationale else ""
    return f"{opening}{code}{PROTOCOL.output_begin}{output}{PROTOCOL.output_end}{conclusion}"


EXAMPLES = tuple(
    Problem(
        id=f"tora-{number}",
        question=question,
        expected_answer=answer,
        reference_solution=_solution(rationale, program, output, conclusion),
    )
    for number, (question, rationale, program, output, conclusion, answer) in enumerate(_WORKED, 1)
)
"""Five examples, the plainest first. The model writes their programs, the interpreter their outputs."""
