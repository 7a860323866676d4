"""Made-up answers with predictions whose verdict is known by construction, of the kinds that GSM8K and MATH have."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

GOODS = ("pears", "stickers", "tiles", "candles", "notebooks", "marbles")
WORDS = (
    "ellipse",
    "parabola",
    "circle",
    "hyperbola",
    "line",
    "Monday",
    "Tuesday",
    "Friday",
    "even",
    "odd",
    "red",
    "blue",
)
SHARE_EQUAL = 0.6


class Pair(NamedTuple):
    """`kind`: `answer` for a short prediction, `response` for a text that holds it. `like`: the class that it stands for."""

    gold: str
    pred: str
    expected: bool
    kind: str
    like: str


class Answers(NamedTuple):
    """A gold with other spellings of its value, and with other values."""

    gold: str
    same: list[str]
    other: list[str]


def made_up_pairs(seed: int = 0) -> Iterator[Pair]:
    """Pairs without end: in turn one like GSM8K's and one like MATH's."""
    rng = random.Random(seed)
    while True:
        yield _gsm8k_like(rng)
        yield _math_like(rng)


def _gsm8k_like(rng: random.Random) -> Pair:
    value = rng.choice((rng.randint(1, 60), rng.randint(60, 2_000), rng.randint(2_000, 5_000_000)))
    expected = rng.random() < SHARE_EQUAL
    predicted = (
        value if expected else rng.choice([value + 1, value - 1, value * 10, -value, value + rng.randint(2, 90)])
    )
    goods = rng.choice(GOODS)
    answer = rng.choice((
        f"{predicted}", f"{predicted:,}", f"{predicted}.00", f"${predicted:,}$", rf"\${predicted}", f"{predicted} {goods}",
        rf"\boxed{{{predicted}}}", f"**{predicted}**", f"{predicted}.",
    ))  # fmt: skip
    if rng.random() < 0.5:
        return Pair(str(value), answer, expected, "answer", "gsm8k")
    response = rng.choice((
        f"She starts with {value + 7} {goods} and gives away 7.\nSo she has {predicted} left.\n#### {predicted:,}",
        f"Each of the {rng.randint(2, 9)} boxes holds some {goods}. In all: {predicted}.\n\nThe answer is {predicted:,}.",
        rf"We add {rng.randint(2, 50)} and subtract {rng.randint(2, 50)}, which gives $\boxed{{{predicted}}}$ {goods}.",
    ))  # fmt: skip
    return Pair(str(value), response, expected, "response", "gsm8k")


def _math_like(rng: random.Random) -> Pair:
    answers = rng.choice(_KINDS)(rng)
    expected = rng.random() < SHARE_EQUAL
    predicted = rng.choice(answers.same if expected else answers.other)
    if rng.random() < 0.2:
        response = (
            rf"We simplify and find, with $n = {rng.randint(2, 99)}$, that the answer is $\boxed{{{predicted}}}$."
        )
        return Pair(answers.gold, response, expected, "response", "math")
    return Pair(answers.gold, predicted, expected, "answer", "math")


def _latex(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return rf"{'-' if value < 0 else ''}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _proper(rng: random.Random) -> Fraction:
    """A fraction that is no integer, and no decimal of a few digits."""
    bottom = rng.choice((3, 6, 7, 9, 11, 13, 21))
    top = rng.randint(1, 60)
    return Fraction(top, bottom) if top % bottom and Fraction(top, bottom).denominator > 2 else Fraction(1, bottom)


def _fractions(rng: random.Random) -> Answers:
    value = _proper(rng) * rng.choice((1, -1))
    top, bottom, k = value.numerator, value.denominator, rng.randint(2, 6)
    others = (value + Fraction(1, bottom), 1 / value if abs(top) != bottom else value + 2, -value)
    same = [
        rf"\dfrac{{{top}}}{{{bottom}}}",
        f"{top}/{bottom}",
        rf"\frac{{{top * k}}}{{{bottom * k}}}",
        f"$ {_latex(value)} $",
    ]
    return Answers(_latex(value), same, [_latex(other) for other in others])


def _decimals(rng: random.Random) -> Answers:
    value = Fraction(rng.randint(1, 4_000) * 2 + 1, 40)
    text = f"{float(value):.3f}".rstrip("0")
    return Answers(
        _latex(value),
        [text, text + "0", f"{value.numerator}/{value.denominator}"],
        [f"{float(value) + 0.125:.3f}", f"-{text}"],
    )


def _mixed(rng: random.Random) -> Answers:
    whole, part = rng.randint(2, 30), _proper(rng) % 1 or Fraction(1, 3)
    value = whole + part
    top, bottom = part.numerator, part.denominator
    return Answers(
        _latex(value),
        [rf"{whole}\frac{{{top}}}{{{bottom}}}", f"{whole} {top}/{bottom}"],
        [_latex(whole * part), _latex(value + 1)],
    )


def _roots(rng: random.Random) -> Answers:
    k, n, d = rng.randint(2, 12), rng.choice((2, 3, 5, 6, 7, 10, 11)), rng.randint(2, 9)
    same = [
        rf"{k} \sqrt{{{n}}}",
        rf"\sqrt{{{k * k * n}}}",
        f"{k}*sqrt({n})",
        rf"{k * n}/\sqrt{{{n}}}",
        rf"\sqrt{{{n}}}\cdot {k}",
    ]
    other = [
        rf"{k + 1}\sqrt{{{n}}}",
        rf"\sqrt{{{k * n + k * k * n}}}",
        rf"\frac{{{k}\sqrt{{{n}}}}}{{{d}}}",
        rf"-{k}\sqrt{{{n}}}",
    ]
    return Answers(rf"{k}\sqrt{{{n}}}", same, other)


def _pi_multiples(rng: random.Random) -> Answers:
    a, b = rng.randint(1, 11), rng.choice((3, 4, 7, 12))
    gold = rf"\frac{{{a}\pi}}{{{b}}}"
    same = [rf"\frac{{{a}}}{{{b}}}\pi", rf"{a}\pi/{b}", f"{a}*pi/{b}", rf"\dfrac{{{2 * a}\pi}}{{{2 * b}}}"]
    return Answers(
        gold, same, [rf"\frac{{{a + 1}\pi}}{{{b}}}", rf"\frac{{{a}}}{{{b}}}", rf"\frac{{{b}\pi}}{{{a + 12}}}"]
    )


def _polynomials(rng: random.Random) -> Answers:
    a, b, c = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)
    gold = f"{a}x^2+{a * (b + c)}x+{a * b * c}"
    same = [
        f"{a}(x+{b})(x+{c})", f"{a * b * c} + {a * (b + c)}x + {a}x^2", f"{a}*x**2 + {a * (b + c)}*x + {a * b * c}",
        rf"{a}\left(x^{{2}}+{b + c}x+{b * c}\right)",
    ]  # fmt: skip
    other = [f"{a}(x-{b})(x+{c})", f"{a}x^2+{a * (b + c) + 1}x+{a * b * c}", f"{a}x^3+{a * (b + c)}x+{a * b * c}"]
    return Answers(gold, same, other)


def _rational_functions(rng: random.Random) -> Answers:
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    gold = rf"\frac{{x+{a}}}{{x-{b}}}"
    same = [f"(x+{a})/(x-{b})", rf"1+\frac{{{a + b}}}{{x-{b}}}", rf"\frac{{-x-{a}}}{{{b}-x}}"]
    return Answers(gold, same, [rf"\frac{{x+{a}}}{{x+{b}}}", rf"\frac{{x-{b}}}{{x+{a}}}", f"x+{a}/x-{b}"])


def _powers(rng: random.Random) -> Answers:
    base, power, k = rng.randint(2, 7), rng.randint(3, 9), rng.randint(3, 9)
    same = [f"{base}**{power}", str(base**power), f"{base**power:,}", rf"{base}\cdot {base}^{{{power - 1}}}"]
    return Answers(f"{base}^{{{power}}}", same, [f"{base}^{{{power + 1}}}", str(base**power + k), str(base * power)])


def _points(rng: random.Random) -> Answers:
    a, b = rng.randint(-20, 20), rng.randint(21, 40)
    half = rf"\frac{{{2 * b + 1}}}{{2}}"
    same = [rf"\left({a}, {half}\right)", f"({a},{b}.5)", f"( {a} , {2 * b + 1}/2 )"]
    return Answers(f"({a},{half})", same, [f"({half},{a})", f"({a},{b})", f"({a},{half},0)", f"({a + 1},{half})"])


def _intervals(rng: random.Random) -> Answers:
    a, b = rng.randint(-9, 3), rng.randint(4, 12)
    same = [rf"[{a}, {b})", rf"\left[{a},{b}\right)", rf"{a} \le x < {b}", rf"x \in [{a},{b})"]
    return Answers(f"[{a},{b})", same, [f"[{a},{b}]", f"({a},{b})", f"[{a},{b + 1})", rf"{a} < x < {b}"])


def _unions(rng: random.Random) -> Answers:
    a, b = rng.randint(-9, 0), rng.randint(1, 9)
    gold = rf"(-\infty,{a})\cup({b},\infty)"
    same = [
        rf"({b},\infty)\cup(-\infty,{a})",
        rf"(-\infty, {a}) \cup ({b}, +\infty)",
        rf"x < {a} \text{{ or }} x > {b}",
    ]
    return Answers(
        gold, same, [rf"(-\infty,{a}]\cup({b},\infty)", rf"({a},{b})", rf"(-\infty,{a})\cup({b + 1},\infty)"]
    )


def _lists(rng: random.Random) -> Answers:
    a, b, c = rng.sample(range(-30, 30), 3)
    same = [f"{b}, {a}, {c}", f"{c},{b},{a}", rf"{a}, {b} \text{{ and }} {c}"]
    return Answers(f"{a},{b},{c}", same, [f"{a},{b}", f"{a},{b},{c + 1}", f"{a},{a},{b}"])


def _sets(rng: random.Random) -> Answers:
    a, b, c = rng.sample(range(1, 40), 3)
    same = [rf"\{{{c}, {a}, {b}\}}", rf"\left\{{{a},{b},{c}\right\}}"]
    return Answers(rf"\{{{a},{b},{c}\}}", same, [rf"\{{{a},{b}\}}", rf"\{{{a},{b},{c + 40}\}}", rf"\{{{a}\}}"])


def _matrices(rng: random.Random) -> Answers:
    a, b, c, d = (rng.randint(-9, 9) for _ in range(4))

    def written(*cells: int, name: str = "pmatrix") -> str:
        return rf"\begin{{{name}}} {cells[0]} & {cells[1]} \\ {cells[2]} & {cells[3]} \end{{{name}}}"

    same = [
        written(a, b, c, d, name="bmatrix"),
        written(a, b, c, d).replace(" ", "").replace(r"\\", r"\\ "),
        f"[[{a},{b}],[{c},{d}]]",
    ]
    return Answers(written(a, b, c, d), same, [written(a, b, c, d + 1), written(a + 1, b, c, d)])


def _equations(rng: random.Random) -> Answers:
    a, b = rng.randint(2, 9), rng.randint(1, 12)
    same = [f"{a}x+{b}=y", rf"y = {b} + {a}x", f"{a}x - y + {b} = 0", f"{2 * a}x+{2 * b}=2y"]
    return Answers(f"y={a}x+{b}", same, [f"y={a}x-{b}", f"x={a}y+{b}", f"y={a + 1}x+{b}"])


def _assignments(rng: random.Random) -> Answers:
    value = rng.randint(2, 400)
    return Answers(
        str(value), [f"x = {value}", f"$n={value}$", rf"x=\boxed{{{value}}}"], [f"x = {value + 1}", f"n={value * 2}"]
    )


def _measures(rng: random.Random) -> Answers:
    value, unit = rng.randint(2, 90), rng.choice(("cm", "meters", "square feet", "hours", "degrees"))
    same = [f"{value}", rf"{value}\text{{ {unit}}}", f"{value} {unit}", f"{value}.0 {unit}"]
    return Answers(rf"{value} \text{{ {unit}}}", same, [f"{value + 1} {unit}", f"{value * 10}", f"{value}.5"])


def _percents(rng: random.Random) -> Answers:
    value = rng.randint(2, 95)
    return Answers(
        rf"{value}\%", [f"{value}%", f"{value}", rf"{value} \%"], [f"{value + 1}%", f"{value * 10}%", f"-{value}"]
    )


def _angles(rng: random.Random) -> Answers:
    value = rng.randint(3, 170)
    same = [rf"{value}^{{\circ}}", f"{value}°", f"{value}", rf"{value}\text{{ degrees}}"]
    return Answers(rf"{value}^\circ", same, [rf"{value + 1}^\circ", rf"{180 + value}^\circ"])


def _complex(rng: random.Random) -> Answers:
    a, b = rng.randint(1, 20), rng.randint(2, 20)
    return Answers(
        f"{a}+{b}i", [f"{b}i + {a}", f"{a} + {b} i", f"{a}+{b}*I"], [f"{a}-{b}i", f"{b}+{a + b}i", f"{a + b}"]
    )


def _logarithms(rng: random.Random) -> Answers:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    same = [rf"\ln {a} + \ln {b}", rf"\ln({a * b})", f"log({a})+ln({b})" if a == 1 else rf"\ln({b}\cdot {a})"]
    return Answers(rf"\ln {a * b}", same, [rf"\ln {a * b + 1}", rf"\ln {a} \cdot \ln {b * 11}", rf"{a * b}"])


def _bases(rng: random.Random) -> Answers:
    value, base = rng.randint(8, 200), rng.choice((2, 3, 5, 7))
    digits = _digits(value, base)
    return Answers(
        f"{digits}_{base}", [f"{digits}_{{{base}}}", f"${digits}_{base}$"], [f"{_digits(value + 1, base)}_{base}"]
    )


def _digits(value: int, base: int) -> str:
    text = ""
    while value:
        value, digit = divmod(value, base)
        text = str(digit) + text
    return text


def _words(rng: random.Random) -> Answers:
    word, other = rng.sample(WORDS, 2)
    return Answers(
        rf"\text{{{word}}}", [word, word.lower(), rf"\text{{ {word} }}", rf"\textbf{{{word}}}"], [other, f"not {word}"]
    )


def _choices(rng: random.Random) -> Answers:
    letter, other = rng.sample("ABCDE", 2)
    return Answers(rf"\text{{({letter})}}", [letter, f"({letter})", rf"\textbf{{({letter})}}"], [other, f"({other})"])


_KINDS: tuple[Callable[[random.Random], Answers], ...] = (
    _fractions, _fractions, _decimals, _mixed, _roots, _roots, _pi_multiples, _polynomials, _rational_functions, _powers,
    _points, _intervals, _unions, _lists, _sets, _matrices, _equations, _assignments, _measures, _percents, _angles, _complex,
    _logarithms, _bases, _words, _choices,
)  # fmt: skip
