"""Pairs of answers whose verdict sympy knows: built by its constructors, rewritten or changed by one leaf, and printed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import sympy
from sympy import Integer, Rational
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

SYMBOLS = sympy.symbols("x y z", real=True)
NO_VALUES = (sympy.nan, sympy.zoo, sympy.oo)
POINTS = 6
ENOUGH_POINTS = 3
DIGITS = 120
CLOSE = Rational(1, 10**100)
"""Values with a smaller relative difference, computed with `DIGITS` digits, count as the same."""


class Pair(NamedTuple):
    """Two printed answers. `equal` is None where sympy could not tell."""

    gold: str
    pred: str
    equal: bool | None


def pair(seed: int, number: int) -> Pair:
    """Pair `number` of the endless list that belongs to `seed`. May take any time, as sympy does."""
    rng = random.Random(f"{seed}/{number}")
    make = rng.choices((_expressions, _sets, _intervals, _tuples, _matrices), (70, 7, 9, 7, 7))[0]
    try:
        one, two = make(rng)
        return Pair(_printed(one, rng), _printed(two, rng), _equal(one, two, rng))
    except (ArithmeticError, AttributeError, NotImplementedError, RecursionError, TypeError, ValueError, IndexError):
        return Pair("", "", None)  # what sympy itself cannot carry out


def _expressions(rng: random.Random) -> tuple[Any, Any]:
    symbols = SYMBOLS[: rng.choice((0, 1, 1, 2, 3))]
    one = _expression(rng, symbols, rng.randint(1, 4))
    return one, _rewritten(one, rng) if rng.random() < 0.6 else _changed(one, rng)


def _sets(rng: random.Random) -> tuple[Any, Any]:
    items = [_number(rng) for _ in range(rng.randint(1, 4))]
    others = [_rewritten(item, rng) for item in items] if rng.random() < 0.6 else _one_changed(items, rng)
    return sympy.FiniteSet(*items), sympy.FiniteSet(*others)


def _tuples(rng: random.Random) -> tuple[Any, Any]:
    symbols = SYMBOLS[: rng.randint(0, 2)]
    items = [_expression(rng, symbols, 2) for _ in range(rng.randint(2, 4))]
    others = [_rewritten(item, rng) for item in items] if rng.random() < 0.6 else _one_changed(items, rng)
    return sympy.Tuple(*items), sympy.Tuple(*others)


def _matrices(rng: random.Random) -> tuple[Any, Any]:
    rows, columns = rng.randint(1, 3), rng.randint(1, 3)
    items = [_expression(rng, SYMBOLS[:1], rng.randint(0, 1)) for _ in range(rows * columns)]
    others = [_rewritten(item, rng) for item in items] if rng.random() < 0.6 else _one_changed(items, rng)
    return sympy.ImmutableMatrix(rows, columns, items), sympy.ImmutableMatrix(rows, columns, others)


def _intervals(rng: random.Random) -> tuple[Any, Any]:
    one = _interval(rng) if rng.random() < 0.6 else sympy.Union(_interval(rng), _interval(rng))
    if rng.random() < 0.5:
        return one, one
    return one, sympy.Union(_interval(rng), _interval(rng)) if rng.random() < 0.5 else one.complement(sympy.S.Reals)


def _interval(rng: random.Random) -> Any:
    lower, upper = sorted((_number(rng) for _ in range(2)), key=float)
    if rng.random() < 0.3:
        lower, upper = rng.choice(((-sympy.oo, upper), (lower, sympy.oo)))
    return sympy.Interval(lower, upper, rng.random() < 0.5, rng.random() < 0.5)


def _number(rng: random.Random) -> Any:
    return rng.choice((
        Integer(rng.randint(-12, 12)),
        Integer(rng.randint(-99, 99)),
        Rational(rng.randint(-40, 40), rng.randint(1, 40)),
        rng.choice((1, -2, 3)) * sympy.sqrt(rng.randint(2, 30)) / rng.randint(1, 4),
        Rational(rng.randint(-9, 9), rng.randint(1, 9)) * rng.choice((sympy.pi, sympy.E)),
        rng.randint(-5, 5) + sympy.sqrt(rng.randint(2, 12)),
    ))  # fmt: skip


UNARY: tuple[Callable[[Any], Any], ...] = (
    sympy.sqrt, sympy.sin, sympy.cos, sympy.tan, sympy.log, sympy.exp, sympy.Abs, sympy.atan, sympy.cbrt, sympy.sinh,
)  # fmt: skip


def _expression(rng: random.Random, symbols: tuple[Any, ...], depth: int) -> Any:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(symbols) if symbols and rng.random() < 0.6 else _number(rng)
    one = _expression(rng, symbols, depth - 1)
    kind = rng.choices(("sum", "product", "quotient", "power", "function"), (30, 25, 15, 15, 15))[0]
    if kind == "power":
        return one ** rng.choice((2, 3, 4, -1, -2, Rational(1, 2), Rational(3, 2), Rational(1, 3)))
    if kind == "function":
        return rng.choice(UNARY)(one)
    two = _expression(rng, symbols, depth - 1)
    return {"sum": lambda: one + two, "product": lambda: one * two, "quotient": lambda: one / two}[kind]()


REWRITES: tuple[Callable[[Any], Any], ...] = (
    sympy.expand, sympy.factor, sympy.together, sympy.cancel, sympy.radsimp, sympy.expand_trig, sympy.expand_log,
    sympy.powsimp, sympy.trigsimp, sympy.nsimplify, lambda one: sympy.apart(one) if len(one.free_symbols) == 1 else one,
    lambda one: one.rewrite(sympy.cos), lambda one: one.rewrite(sympy.sqrt), lambda one: one,
)  # fmt: skip


def _rewritten(one: Any, rng: random.Random) -> Any:
    return rng.choice(REWRITES)(one)


def _changed(one: Any, rng: random.Random) -> Any:
    """The expression with one of its leaves replaced."""
    leaves = sorted(one.atoms(sympy.Integer, sympy.Rational, sympy.Symbol), key=str)
    if not leaves:
        return one + 1
    leaf = rng.choice(leaves)
    return one.subs(leaf, leaf + rng.choice((-2, -1, 1, 2, Rational(1, 2))))


def _one_changed(items: list[Any], rng: random.Random) -> list[Any]:
    at = rng.randrange(len(items))
    return [_changed(item, rng) if i == at else item for i, item in enumerate(items)]


def _equal(one: Any, two: Any, rng: random.Random) -> bool | None:
    """Compares values, part by part. Parts of a tuple or matrix that have no value anywhere leave it open."""
    if isinstance(one, sympy.Set):
        return _same_sets(one, two, rng)
    if isinstance(one, sympy.Tuple | sympy.ImmutableMatrix):
        found = [_equal(a, b, rng) for a, b in zip(one, two, strict=True)]
        return False if False in found else None if None in found else True
    return _same_values(one, two, rng)


def _same_sets(one: sympy.Set, two: sympy.Set, rng: random.Random) -> bool | None:
    if isinstance(one, sympy.FiniteSet) and isinstance(two, sympy.FiniteSet):
        left = [any(_same_values(a, b, rng) for b in two) for a in one]
        right = [any(_same_values(a, b, rng) for a in one) for b in two]
        return all(left + right)
    return bool(one == two)


def _same_values(one: Any, two: Any, rng: random.Random) -> bool | None:
    if one.has(*NO_VALUES) or two.has(*NO_VALUES):
        return None
    seen = 0
    names = sorted(one.free_symbols | two.free_symbols, key=str)
    for _ in range(POINTS):
        point = {name: Rational(rng.randint(-3000, 3000), 997) for name in names}
        if _has_negative_radicand(one, point) or _has_negative_radicand(two, point):
            return None
        values = [side.subs(point).evalf(DIGITS, maxn=4 * DIGITS) for side in (one, two)]
        if not all(value.is_finite and value.is_real for value in values):
            continue
        seen += 1
        if abs(values[0] - values[1]) > CLOSE * max(map(abs, values)):
            return False
        if not names:
            break
    if not seen or (names and seen < ENOUGH_POINTS):
        return None
    return True


def _has_negative_radicand(side: Any, point: dict[Any, Any]) -> bool:
    """Whether it holds an odd root of a negative number: real in school, complex in sympy."""
    roots = [part for part in side.atoms(sympy.Pow) if part.exp.is_Rational and part.exp.q % 2 and part.exp.q > 1]
    return any(not part.base.subs(point).evalf() > 0 for part in roots)


def _printed(one: Any, rng: random.Random) -> str:
    """In LaTeX or in Python's manner; logarithms as `ln`, since `log` is to base 10 in school."""
    if rng.random() < 0.3 and not isinstance(one, sympy.Set):
        return str(_Ascii().doprint(one))
    settings = {"ln_notation": True, "mul_symbol": rng.choice((None, "dot", "times"))}
    text = str(LatexPrinter(settings).doprint(one))
    return rng.choice(("{}", "${}$", r"\boxed{{{}}}", r"\({}\)")).format(text)


class _Ascii(StrPrinter):
    def _print_log(self, one: Any) -> str:
        return f"ln({self._print(one.args[0])})"
