"""Pairs of answers, by class: what is the same, what is not, and what a policy decides."""

from __future__ import annotations

import pytest

from skillforge_math_grader import check

EQUAL = {
    "numbers": [
        ("5", "5.0"), ("0.5", ".5"), ("007", "7"), ("-3", "−3"), ("-3", "–3"), ("+5", "5"), ("7", "7."), ("0", "-0"),
        ("1.5e3", "1500"), (r"2.5 \times 10^{-3}", "0.0025"), (r"\frac{1}{2}", "0.5"), (r"\frac12", r"\dfrac{2}{4}"),
        (r"2\frac{1}{2}", "2.5"), (r"-1\frac34", "-1.75"), ("3 1/2", "3.5"), (r"0.\overline{6}", r"\frac23"),
        (r"1.2\overline{3}", r"\frac{37}{30}"), ("0.333...", "1/3"), ("forty-two", "42"),
        ("one hundred and five", "105"),
        ("two thirds", r"\frac{2}{3}"), ("5 million", "5000000"), ("3 dozen", "36"), ("10^6", "1000000"),
        ("2^{10}", "1024"),
        ("5!", "120"), (r"\binom{6}{2}", "15"), (r"\sqrt{49}", "7"), (r"\sqrt[3]{-27}", "-3"),
        (r"\lfloor 3.7 \rfloor", "3"),
        (r"\gcd(12, 18)", "6"), ("3,5", "3.5"), ("0", "0.00"), (r"\frac{-1}{2}", r"-\frac{1}{2}"),
    ],
    "thousands": [
        ("1234567", "1,234,567"), ("1234567", r"1{,}234{,}567"), ("1234567", r"1,\!234,\!567"),
        ("1234567", r"1\,234\,567"),
        ("1234567", "1 234 567"), ("12345.67", "12,345.67"), (r"[-36,104]", "[-36, 104]"), ("(1,234)", "(1, 234)"),
    ],
    "currency": [
        (r"\$18", "18"), ("18.5", r"\$18.50"), ("18", "18 dollars"), ("18", "€18"), (r"\$0.50", "50 cents"),
        ("$1,000", "1000"),
    ],
    "percent": [
        (r"10\%", "10"), (r"28\%", "28 percent"), (r"28\%", "28 pct"), (r"50\%", "0.5"), (r"\frac12", r"50\%"),
        ("7%", r"7 \%"),
    ],
    "degrees": [
        (r"60^\circ", "60"), ("60°", r"60^{\circ}"), (r"60^\circ", "60 degrees"), (r"60^\circ", r"\frac{\pi}{3}"),
        (r"\frac{\pi}{6}", r"30^\circ"), (r"\sin 30^\circ", r"\frac12"),
    ],
    "units": [
        (r"12\text{ cm}", "12"), ("12", "12 apples"), (r"1.2\text{ m}", r"120\text{ cm}"), ("1 hour", "60 minutes"),
        (r"25\pi\text{ cm}^2", r"25\pi"), ("2 hours 30 minutes", "2.5 hours"),
        ("60 km/h", r"60 \text{ kilometers per hour}"),
        (r"18 \mathrm{~cm}^2", "18 square centimeters"), ("5 feet 6 inches", "66 inches"), ("3 kg", "3000 grams"),
    ],
    "times and dates": [
        ("4:30 p.m.", "4:30"), ("20:34", "8:34 PM"), ("20:34", "20:34:00"), ("June 20", "20 June"),
        ("Jan 5", "January 5th"),
    ],
    "radicals": [
        (r"\sqrt 3", "sqrt(3)"), (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt2}{2}"), (r"\sqrt{12}", r"2\sqrt{3}"),
        ("√5", r"\sqrt{5}"),
        (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"), (r"\sqrt{x^2}", "|x|"), (r"\sqrt[3]{x}", "x^{1/3}"),
        (r"\sqrt{-4}", "2i"),
    ],
    "rounding": [
        (r"\pi", "3.14159"), (r"\frac13", "0.33333"), (r"\sqrt{2}", "1.41421356"),
        (r"\frac{\sqrt{3}}{2}", "0.8660254037844386"),
        ("0.58", r"\frac{\sqrt{3}}{3} \approx 0.577"), (r"40\pi", "125.6637"),
    ],
    "expressions": [
        ("x^2+2x+1", "(x+1)^2"), ("2x", "x2"), ("a+b", "b+a"), (r"\frac{x^2-1}{x-1}", "x+1"), (r"\frac{a}{b}", "a/b"),
        (r"\frac{x}{2}", "1/2x"), (r"\frac{1}{1+x}", "(1+x)^{-1}"), (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
        ("2^{n+1}", r"2 \cdot 2^n"),
        ("|x-1|", "|1-x|"), ("2*x**2 + 3*x", "3x+2x^2"), (r"x\cdot y", "yx"), ("f'(x)", "f'(x)"),
        (r"\frac{2}{3}x", "2x/3"),
        ("x^3 - 1", "(x-1)(x^2+x+1)"), (r"11z^{7}(5+11z^{7})", "11z^7(11z^7+5)"), ("a_1 + a_2", "a_{2} + a_{1}"),
    ],
    "around an answer": [
        ("12", "<answer>12</answer>"), ("12", "### 12"), ("12", r"\therefore 12"), ("12", r"{\bf 12}"),
        ("12", r"12 \checkmark"),
        ("12", "There are 12 ways."), ("12", "She has 12 apples left."), ("12", "Total: 12"), ("12", "Ответ: 12"),
        ("12", "12。"),
        ("3", "x = 3, since x > 0"), ("3", r"x+1=4 \Rightarrow x=3"), ("3", "n = 3 only"), ("12", "m+n=12"),
        (r"\frac12", r"P(X=3)=\frac12"), ("42", "[ABC] = 42"), ("3/4", "0.75 (3/4)"), (r"\frac{1}{2}", r"\frac{1}{2"),
        (r"\text{No}", "No, 91 is 7 times 13"), (r"\text{Yes}", "(Yes)"), (r"\text{no solution}", "There is no solution."),
    ],
    "other notations": [
        (r"\binom{5}{2}", "5 choose 2"), (r"\binom{5}{2}", "{}^5C_2"), (r"\binom{5}{2}", "C_5^2"), (r"\frac16", "0.1(6)"),
        ("1/36", "1 in 36"), ("1011_2", "0b1011"), (r"\sqrt{10}", "math.sqrt(10)"), (r"\frac12", r"\nicefrac{1}{2}"),
        (r"\begin{pmatrix}1\\-2\end{pmatrix}", "(1,-2)^T"), (r"\begin{pmatrix}1\\-2\end{pmatrix}", r"\mathbf{i}-2\mathbf{j}"),
        (r"\arctan 1", r"45^\circ"), (r"100\ \Omega", "0.1 kΩ"), (r"\frac{2 G M}{c^2}", r"\frac{2GM}{c^{2}}"),
        ("(3,4)", "A(3,4)"),
        (r"x=k\pi", r"x = n\pi, n\in\mathbb{Z}"), ("f(x)=3x+2", "f(t)=3t+2"), ("(1,1,1)", "a=b=c=1"),
        ("[0,1)", r"x\ge 0 \text{ and } x<1"),
        (r"(-\infty,-3)\cup(-3,3)\cup(3,\infty)", r"x \neq \pm 3"), ("2, 3", "x_1=3, x_2=2"),
        (r"\sqrt{x}\sqrt{y}", r"\sqrt{xy}"),
        ("105", "a hundred and five"), ("5/2", "two and a half"), (r"\sin x", "sin x"), ("1000000", "1.000.000"),
    ],
    "values that are zero": [
        ("0", r"\sin(\pi)"), ("0", r"\cos 90^\circ"), (r"\ln 2 + \ln 3 - \ln 6", "0"), (r"(0, 1)", r"(\cos\frac{\pi}{2}, 1)"),
    ],
    "sympy's printing": [
        ("8-i", "8 - *I"), (r"\frac{5e}{3}", "5*E/3"), (r"e^2+2e", "exp(2) + 2*E"),
        ("(E+1)**2", "exp(2)+2*E+1"), ("x y", "y*x"), (r"\text{VW}", "vw"),
        (r"\frac{(x+1)^3}{\sqrt[3]{y+2}}", "(x + 1)**3/(y + 2)**(1/3)"), ("e^{-95}", "cosh(95) - sinh(95)"),
    ],
    "functions": [
        (r"\log 100", "2"), (r"\log_2 8", "3"), (r"\ln e^2", "2"), (r"\frac{\ln 8}{\ln 2}", "3"),
        (r"\cos^2 x + \sin^2 x", "1"),
        (r"\tan x", r"\frac{\sin x}{\cos x}"), (r"\sin 2x", r"2\sin x\cos x"),
        (r"\sin^{-1}\frac12", r"\frac{\pi}{6}"),
        (r"\arctan x", r"\tan^{-1} x"), (r"\ln(x^2)", r"2\ln x"), ("e^{ln 2}", "2"), ("(-1)^n", r"\cos(n\pi)"),
        ("n!", "n(n-1)!"),
    ],
    "complex": [
        ("3+4i", "4i+3"), ("3+4i", "3 + 4*I"), ("i", r"\sqrt{-1}"), ("1+2i", "i(2-i)"), (r"e^{i\pi}", "-1"),
        (r"\frac{1}{i}", "-i"),
    ],
    "equations": [
        ("x=5", "5"), ("x=5", "5=x"), ("y=2x+3", "2x+3"), ("f(x)=x^2", "x^2"), ("f(x)=2x", "y=2x"),
        ("x+y=3", "2x+2y=6"),
        ("x^2+y^2=1", "x^2+y^2-1=0"), ("y=2x+3", "2x-y+3=0"), ("x = 2+3 = 5", "5"), (r"\angle A = 30^\circ", "30"),
        (r"x \approx 11", "11"), (r"\frac{dy}{dx} = 2x", "2x"), (r"\text{Area} = 12", "12"),
    ],
    "lists": [
        ("1,2,3", "3, 2, 1"), (r"1 \text{ or } 2", "2, 1"), ("1,2,3", r"\{1,2,3\}"), ("(1,2),(3,4)", "(3,4),(1,2)"),
        (r"\emptyset", r"\{\}"), (r"\text{no solution}", r"\emptyset"), ("x=1 or x=2", "1,2"),
        ("x=1,2", r"\{2,1\}"), ("x=1, y=2", "(1,2)"),
        ("x=1, y=2", "y=2, x=1"), (r"\{5\}", "5"), (r"9/4 \text{ or } 2.25", "9/4"),
        ("red, green", "green and red"), ("(1,2)", "1, 2"),
        (r"\{1,1,2\}", r"\{1,2\}"), (r"(1,2)", r"\langle 1, 2\rangle"), ("[1, 2]", "1, 2"),
    ],
    "plus-minus": [
        (r"\pm 3", "-3, 3"), (r"1 \pm \sqrt{2}", r"1+\sqrt2, 1-\sqrt2"), (r"x = \pm 2", r"\{2,-2\}"),
        (r"3\pm\sqrt{4}", "5, 1"),
    ],
    "intervals": [
        ("[0,1)", r"0 \le x < 1"), ("x>2", r"(2,\infty)"), ("x>2", "2<x"), (r"x\le 3", r"(-\infty,3]"),
        ("(0,1)", "(0, 1)"),
        (r"(-\infty,-2)\cup(2,\infty)", r"x<-2 \text{ or } x>2"), (r"[1,2]\cup[2,3]", "[1,3]"),
        (r"\mathbb{R}", r"(-\infty,\infty)"),
        (r"\mathbb{R}\setminus\{3\}", r"(-\infty,3)\cup(3,\infty)"), (r"x\neq 3", r"(-\infty,3)\cup(3,\infty)"),
        ("-1<x<1", "|x|<1"),
        (r"x \in (0,1)", "(0,1)"), (r"\{x \mid x>2\}", r"(2,\infty)"), ("x<1", "-x>-1"), ("2x+3>7", "x>2"),
        ("Interval(0, 1)", "[0,1]"),
        (r"\text{all real numbers}", r"\mathbb{R}"), (r"(0.5, \frac{7}{2}]", r"(\frac12, 3.5]"),
        ("[a, b]", r"a \le x \le b"),
    ],
    "matrices": [
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "Matrix([[1, 2], [3, 4]])"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1,2],[3,4]]"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
        (r"\begin{pmatrix}1/2\\0\end{pmatrix}", r"\begin{pmatrix}0.5\\0\end{pmatrix}"),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
        (r"2\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\4\end{pmatrix}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}+t\begin{pmatrix}3\\4\end{pmatrix}", r"\begin{pmatrix}1+3t\\2+4t\end{pmatrix}"),
        (r"\left[\begin{array}{cc}1 & 0 \\ 0 & 1\end{array}\right]", r"\begin{pmatrix}1&0\\0&1\end{pmatrix}"),
    ],
    "bases": [("1101_2", "1101_{2}"), ("1101_2", "1101"), ("A3_{16}", "a3_{16}"), ("152A_{11}", "152A")],
    "ratios": [("2:3", "4:6"), ("6:10", "18:30"), ("2:3", r"\frac{2}{3}"), ("1:2:3", "2 : 4 : 6")],
    "choices": [("B", "(B)"), ("B", "b"), (r"\text{(B)}", "B."), ("B", "B) 12 cm"), ("C", "option C")],
    "words": [
        (r"\text{even}", "Even"), (r"\text{Yes}", "True"), (r"\text{undefined}", "does not exist"),
        ("the ellipse", "An ellipse"),
        ("No", "no"), (r"\text{N/A}", "n/a"), ("Monday", r"\textbf{monday}."),
    ],
    "dressing": [
        ("5", "**5**"), ("5", "`5`"), ("5", "$5$"), ("5", r"\(5\)"), ("5", r"\boxed{5}"), ("5", "((((5))))"),
        (r"\frac{1}{2}", r"\\frac{1}{2}"),
        (r"\frac12", r"\left(\frac{1}{2}\right)"), ("3", r"\text{The answer is } 3"), (r"10\%", r"\boxed{10}\%"),
        ("5", r"\displaystyle 5"),
    ],
    "piecewise": [
        (
            r"\begin{cases} x & \text{if } x>0 \\ -x & \text{otherwise} \end{cases}",
            r"\begin{cases} x & x>0 \\ -x & \text{otherwise} \end{cases}",
        ),
        (r"\begin{cases} a+b=\frac12 \\ a-b=1 \end{cases}", r"\begin{cases} a+b=0.5\\ a-b=1\end{cases}"),
    ],
}  # fmt: skip

DIFFERENT = {
    "numbers": [
        ("5", "5.001"), ("5", "6"), ("12345678901234567890", "12345678901234567891"), ("1e-12", "0"),
        ("3 1/2", "31/2"),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"), ("2.3", r"2.3\overline{3}"), (r"2\frac13", r"\frac23"),
        ("5", ""), ("0", ""), ("7", "None"),
        ("0.30000000000000004", "0.3"), ("5", "[5]"), ("1/3", "0.333"), (r"\pi", "3.14"),
        (r"\sqrt{2}", "1.41422"), ("5", "1/0"),
    ],
    "thousands": [("1,000,000", "1000,000"), ("1,234", "1.234"), ("32349", "32, 349")],
    "currency": [(r"\$5", "€5"), (r"\$5", "5 cents")],
    "percent": [(r"10\%", "1000"), ("0.5", "50"), ("1", "100"), (r"33\frac{1}{3}\%", r"33.33\%"), ("5", "5%%")],
    "degrees": [("60", r"\frac{\pi}{3}"), (r"60^\circ", r"60 \text{ radians}")],
    "units": [(r"12\text{ cm}", r"12\text{ m}"), ("12 cm", "12 cm^2"), ("1.2 m", "120"), ("5 hours", "5 minutes")],
    "times and dates": [("12:00", "1:00"), ("4:30 a.m.", "4:30 p.m."), ("June 20", "July 20")],
    "said with a number": [
        ("5", "5 is wrong"), ("5", "half of 5"), ("5", "not 5"), ("5", "5 squared"), ("5 km north", "5 km south"),
        (r"\text{Yes}", "Yes, no"),
    ],
    "other functions": [
        ("f(x)=2x", "f'(x)=2x"), ("f(3)=5", "f(4)=5"), ("f(x)=x+1", "x=x+1"), (r"\sin A=0.5", r"\cos A=0.5"), ("4", "x^2=4"),
    ],
    "fractions in a row": [(r"1/\frac{1}{2}", "1/1/2"), (r"\frac125", "1/25"), (r"\frac{1}{2}3", r"\frac{1}{23}"),
        ("1234", "(1,234)")],
    "almost zero": [("0", r"e^{-400}"), ("0", r"\sqrt{10^{100}+1} - 10^{50}"), ("0", r"\sin(3.14159265358979)")],
    "names": [("E", "5"), ("2E", "3e"), (r"\text{VW}", "wv")],
    "radicals": [
        (r"\sqrt{x^2}", "x"), (r"\sqrt{66}", r"\sqrt{67}"), (r"\sqrt{5}", "5"), (r"2\sqrt{3}", r"3\sqrt{2}"),
    ],
    "expressions": [
        ("x^2+2x+1", "y^2+2y+1"), (r"\frac{1}{2x}", "1/2x"), ("-2^2", "4"), ("x^3-1", "(x-1)(x^2+x-1)"),
        (r"2\pi r", r"2\pi R"),
        ("x^2+C", "x^2"), ("(x+1)^{2000}", "(x+1)^{2000}+1"), ("2^n", "2^m"), ("x + 2n + 1", "x + 1"),
    ],
    "complex": [("3+4i", "3-4i"), ("i", "1")],
    "equations": [
        ("x=5", "y=5"), ("x+y=3", "x+y=4"), ("x=1, y=2", "(2,1)"), ("7=11a+c", "11a+c"), ("2x+z=1", "1"),
        ("x = 4 = 5", "4"),
        (r"\sin x = \frac12", r"\cos x = \frac12"),
    ],
    "lists": [
        ("1,2", "1"), ("1", "1,2"), ("3", "3 or 4"), ("(1,2),(3,4)", "1,2,3,4"), ("0", r"\emptyset"),
        ("(1,2)", "(2,1)"), ("[1,2,3]", "(1,3,2)"),
        ("1, 1, 2", "1, 2, 2"), ("odd", "odd or even"),
    ],
    "plus-minus": [(r"\pm 3", "3"), ("3", r"\pm 3"), (r"1\pm\sqrt2", r"1\pm\sqrt3")],
    "intervals": [
        ("[0,1)", "(0,1)"), ("x>2", r"x\ge 2"), ("x>2", "y>2"), ("x<1", "x>-1"), ("[-3,2]", "(-3,2)"),
        ("1", "-[0,1)"), ("(0,1)", r"\{0,1\}"),
    ],
    "matrices": [
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}"),
        (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ],
    "bases": [("664_7", "664_8"), ("152A_{11}", "152B"), ("1101_2", "13"), ("8_9", "8_0")],
    "ratios": [("2:3", "3:2"), ("1:2", "1:2:3")],
    "choices": [("B", "C"), ("B", "A or B"), ("B", "not B"), ("B", "A, B")],
    "words": [("odd", "oddd"), (r"\text{ellipse}", "not an ellipse"), ("yes", "no"), ("Monday", "Tuesday")],
    "resources": [
        ("5", "9^{9^{9}}"), ("1", r"\sum_{k=1}^{10^{9}} \frac{1}{k}"), ("5", "1000000000!"),
        (r"3^{1000000}", r"2^{2000000}"), ("5", "1e999999999"),
        ("5", r"\binom{1000000000}{500000000}"), ("5", r"\frac{0}{0}"), ("x^5-x-1=0", "y^5-y-1=0"),
    ],
    "code": [("0", "__import__('os').system('true')"), ("0", "().__class__.__base__.__subclasses__()")],
}  # fmt: skip


def _flat(table: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str]]:
    return [pair for pairs in table.values() for pair in pairs]


@pytest.mark.parametrize(("expected", "predicted"), _flat(EQUAL))
def test_equal(expected: str, predicted: str) -> None:
    verdict = check(expected, predicted)
    assert verdict.outcome == "equal", verdict


@pytest.mark.parametrize(("expected", "predicted"), _flat(DIFFERENT))
def test_different(expected: str, predicted: str) -> None:
    verdict = check(expected, predicted)
    assert verdict.outcome != "equal", verdict


@pytest.mark.parametrize(("expected", "predicted"), _flat(EQUAL) + _flat(DIFFERENT))
def test_symmetric_but_for_rounded_expected_values(expected: str, predicted: str) -> None:
    there, back = check(expected, predicted), check(predicted, expected)
    assert there.equal == back.equal or "rounding" in (there.stage, back.stage, "equation")


@pytest.mark.parametrize(
    ("expected", "predicted"),
    [
        ("x = 5", "5"), ("1, 2", "2, 1"), (r"10\%", "10"), (r"50\%", "0.5"), (r"12\text{ cm}", "12"),
        ("1101_2", "1101"), (r"\frac13", "0.333333"),
        ("0.58", r"\frac{\sqrt{3}}{3}"), ("B", "b"), ("yes", "true"), ("1, 2", r"\{1, 2\}"), (r"60^\circ", "60"),
    ],
)  # fmt: skip
def test_strict_wants_the_form_of_the_expected_answer(expected: str, predicted: str) -> None:
    assert check(expected, predicted).equal
    assert not check(expected, predicted, "strict").equal


@pytest.mark.parametrize(
    ("expected", "predicted"),
    [
        ("5", "5.0"), (r"\frac{1}{2}", "0.5"), ("x^2+2x+1", "(x+1)^2"), ("1.2 m", "120 cm"), ("(0,1)", "0<x<1"),
        (r"60^\circ", r"\frac{\pi}{3}"),
        (r"\sqrt{12}", r"2\sqrt{3}"), ("1,234", "1234"), ("x+y=3", "2x+2y=6"), ("1, 2", "1, 2.0"),
    ],
)  # fmt: skip
def test_strict_compares_values_too(expected: str, predicted: str) -> None:
    assert check(expected, predicted, "strict").equal


def test_a_verdict_says_which_stage_decided_and_why() -> None:
    verdict = check("5", "6")
    assert (verdict.outcome, verdict.stage, verdict.reason) == ("different", "numbers", "different numbers")
    assert verdict.milliseconds >= 0
    assert check("7", "7").stage == "identical"
    assert check("x+1", "1+x").stage == "modular"
    assert check(r"\sin^2 x", r"1-\cos^2 x").stage == "numeric"
    assert check("12 cm", "12").reason == "the same expression; the unit is left out on one side"


def test_an_unknown_policy_is_told() -> None:
    with pytest.raises(ValueError, match="no policy 'lenient': there are default, strict, hendrycks"):
        check("1", "1", "lenient")


def test_what_is_not_understood_is_undecided() -> None:
    verdict = check("5", "@@ 5 @@ 6")
    assert verdict.outcome == "undecided"
    assert "not understood" in verdict.reason
