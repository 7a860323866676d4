"""The presets decide as the graders that they are named after, right or wrong; each decision below was made by the original."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillforge_math_grader import check
from skillforge_math_grader.presets import MAX_CHARS, decide

HENDRYCKS = [
    ("5", "5", True),
    (r"\frac{1}{2}", r"\dfrac12", True),
    (r"\frac{1}{2}", "1/2", True),
    (r"\frac{1}{2}", "0.5", True),
    (r"\frac{1}{4}", "0.25", False),  # 0.5 is the only decimal that it knows
    (r"\frac{1}{2}", ".5", True),
    (r"\frac{1}{2}", "0.50", False),
    (r"\frac{1}{2}", r"\frac{2}{4}", False),
    (r"\frac{1}{2}", r"\frac1", False),
    (r"\sqrt{3}", r"\sqrt3", True),
    (r"2\sqrt{3}", r"\sqrt{12}", False),
    ("5", "x=5", True),
    ("5", "xyz=5", False),  # a name of more than two characters stays
    ("x=5", "y=5", True),
    ("x=y=5", "5", False),
    ("1,2", "2,1", False),
    ("(1,2)", r"\left( 1, 2 \right)", True),
    ("50", r"50\%", True),
    ("50%", "0.5", False),
    (r"\$18", "18", True),
    (r"90^\circ", "90", True),
    (r"5 \text{ cm}", "5", True),
    (r"5\text{cm}", "5", False),  # a unit is what begins with a blank
    (r"5 \text{ cm} \text{ m}", r"5 \text{ cm} \text{ m}", True),
    (r"5 \text{ cm} \text{ m}", "5", False),
    ("1,000", "1000", False),
    (r"1,\!000", "1000", False),
    (r"1,\!000", "1,000", True),
    ("Yes", "yes", False),
    (r"\sqrt", r"\sqrt", True),
    (r"\sqrt", "2", False),
    ("-1/2", r"\frac{-1}{2}", True),
    ("01/2", r"\frac{1}{2}", False),
    ("", "", True),
]

PRM800K = [
    ("5", "5.0", True),
    (r"\frac{1}{2}", "0.5", True),
    (r"\frac{1}{4}", "0.25", True),
    (r"\frac{1}{2}", r"\frac{2}{4}", False),  # a fraction must be written as in the expected answer
    ("1/2", "-1/-2", True),
    (r"\frac{1}{3}", "0.3333", False),
    (r"\frac{x+1}{2}", r"x+\frac{1}{2}", True),  # latex2text drops the numerator's braces
    (r"\frac{x}{2}", "0.5x", True),
    ("6", r"2\cdot 3", False),  # an integer needs an integer
    (r"2\sqrt{3}", r"\sqrt{12}", True),
    (r"2\sqrt{3}", "2*sqrt(3)", True),
    ("(x+1)^2", "x^2+2x+1", True),
    ("(x+1)^2", "x^2+2x+2", False),
    ("x(x+1)", "x^2+x", True),
    ("abc", "cba", False),  # three letters are not looked at
    ("ab", "ba", True),
    (r"2\pi", r"\pi \cdot 2", True),
    (r"2\pi x", r"x \cdot 2\pi", False),
    ("2^{10}", "1024", False),
    ("x^{10}", "x^5x^5", False),
    ("(1,2)", "( 1, 2.0 )", True),
    ("(1,2)", "(2,1)", False),
    ("(1,2)", "[1,2]", False),
    ("(1,2)", "(1,2,3)", False),
    ("(1,2)", "1,2", False),
    ("1,2", "2,1", False),
    ("1,234", "1234", True),
    ("10,000,000", "10000000", True),
    (r"7 \frac{3}{4}", "31/4", True),
    (r"7 \frac{3}{4}", "7 3/4", True),
    (r"7 \frac{3}{4}", "7.75", True),
    ("3 million", "3000000", False),
    ("5", "5 cm", True),
    ("5 meters", "5 miles", True),
    (r"5 \text{ days}", "5", True),
    ("50%", "50", True),
    ("50%", "0.5", False),
    (r"\$3.50", "3.5", True),
    ("Yes", "yes", True),
    (r"\text{Evelyn}", "evelyn", True),
    ("x=5", "5", True),
    ("ab = 5", "5", False),
    (r"\infty", "inf", True),
    (r"(-\infty, 3]", r"(-\infty,3)", False),
    ("1_000", "1000", True),  # Python reads 1_000 as a number
    ("10_2", "10_3", False),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}", True),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}", False),
    ("", "", True),
    ("5", "", False),
]

NEMO_2024 = [
    ("100", "1", True),  # taken for percent
    ("1", "100", True),
    ("0.5", "50", True),
    ("10000", "1", False),
    ("5", "-5", False),
    ("1000000", "1000050", True),  # within 1e-4
    ("1000000", "1000200", False),
    ("9999999999999999", "9999999999999998", True),
    (r"\frac{1}{3}", "0.3333", True),
    (r"\frac{1}{3}", "0.333", False),
    (r"\frac{1}{2}", r"\frac{2}{4}", True),
    (r"\frac{1}{2}", r"\frac12", True),
    ("1,2", "1,2.0", True),
    ("6,5", "5,6", False),
    ("{1,2}", "{2,1}", False),
    ("(1,2)", "(100,200)", True),
    ("(1,2)", "[1,2]", False),
    ("[1,2)", "(1,2)", False),
    ("[1,2]", "[1,2)", True),  # LaTeX's parser reads `2)` up to the bracket
    ("[1,2]", "1,2", False),
    ("(1,2)", "1,2", True),
    ("(1,2)", "Interval.open(1, 2)", True),
    ("[1,2]", "Interval(1, 2)", True),
    ("5", "x=5", False),
    ("x=5", "5", False),
    (r"x \in [1,2]", "[1,2]", True),
    ("1011_2", "1011_3", True),  # is a number for Python, whose base is dropped
    ("5", "5 cm", True),
    ("5", "5 km", False),
    (r"5 \text{ km}", "5", True),
    ("5 square feet", "5", False),
    ("3 days", "3", True),
    ("Monday", "Mon", False),
    ("Monday", "monday", False),  # the day goes, as a unit
    (r"5\pi", "15.708", False),  # \pi is a variable
    (r"5\pi", "5*pi", False),
    ("5*pi", "15.708", True),
    (r"\frac{\pi}{2}", r"\pi/2", True),
    ("10^6", "1000000", False),  # Python's exclusive or
    ("10^{6}", "1000000", True),
    ("2 million", "2000000", False),
    (r"2\sqrt{3}", r"\sqrt{12}", True),
    (r"2\sqrt{3}", "2*sqrt(3)", True),
    (r"2\sqrt{3}", "2sqrt(3)", False),
    (r"\sqrt{2}", "1.41421", True),
    ("(x+1)^2", "x^2+2x+1", True),
    ("(x+1)^2", "x^2+2x", False),
    ("x(x+1)", "x^2+x", False),  # a function x
    ("1/2x", r"\frac{1}{2x}", True),
    (r"3\frac{1}{2}", "3.5", True),
    ("7 3/4", "31/4", True),
    ("$18", "18", True),
    ("50%", "50", True),
    (r"90^\circ", "90", True),
    ("Yes", "yes", True),
    (r"\text{(A)}", "A", True),
    (r"1 \text{ or } 2", "1,2", True),
    ("1,234", "1234", True),
    ("{5}", "5", True),
    (r"\boxed{5}", "5", False),
    ("e", "2.71828", False),
    (r"\mathrm{A}", "A", True),
    ("", "", True),
    ("5", "", False),
]

ALL = [("hendrycks", HENDRYCKS), ("prm800k", PRM800K), ("nemo-2024", NEMO_2024)]
PAYLOADS = [
    "__import__('pathlib').Path('{trace}').touch()",
    "(lambda: open('{trace}', 'w'))()",
    r"\frac{{open('{trace}','w')}}{{2}}",
    "exec(\"open('{trace}', 'w')\")",
    "Matrix([[open('{trace}', 'w')]])",
]
HOSTILE = [
    "9^9^9^9",
    "9**9**9**9",
    "10^{10^{10}}",
    "99999!!",
    "(" * 9000 + ")" * 9000,
    "((1,2)," * 900 + "3" + ")" * 900,
    r"\frac{" * 3000,
    r"\sqrt" * 3000,
    r"\text{ " * 3000,
    " " * 19_000,
    "9" * 19_000,
    "1," * 9000,
    "- " * 9000,
    "1e999999999",
    "\ud800",
    "1" * (MAX_CHARS + 1),
]


@pytest.mark.parametrize(
    ("preset", "expected", "predicted", "equal"), [(preset, *row) for preset, rows in ALL for row in rows]
)
def test_decides_as_the_original(preset: str, expected: str, predicted: str, equal: bool) -> None:
    decided, reason = decide(preset, expected, predicted)
    assert decided is equal, reason
    assert reason


@pytest.mark.parametrize("preset", [preset for preset, _ in ALL])
def test_a_preset_is_a_policy_of_check(preset: str) -> None:
    assert check("1/2", "1/2", policy=preset).equal
    assert not check("1,2", "2,1", policy=preset).equal


@pytest.mark.parametrize("preset", [preset for preset, _ in ALL])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_hostile_texts_get_a_verdict(preset: str, text: str) -> None:
    assert check(text, text, preset).reason
    assert not check("5", text, preset).equal
    assert not check(text, "5", preset).equal


@pytest.mark.parametrize("preset", [preset for preset, _ in ALL])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_is_run(preset: str, payload: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = payload.format(trace=trace)
    decide(preset, "5", text)
    decide(preset, text, "5")
    assert not trace.exists()
