"""The last stage: sympy, on objects that are built from our trees and never parsed from text. Runs in the worker only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from skillforge_math_grader.tree import Add, Apply, Bound, Constant, Mul, Node, Number, Pow, Quantity, Symbol, walk

MAX_BITS = 10_000
"""Powers and factorials that are larger are refused before sympy carries them out."""

MAX_FACTORIAL = 1_000
DIGITS = 40
POINTS = (sympy.Rational(7, 5), sympy.Rational(23, 7), sympy.Rational(-13, 11))
WHOLE_POINTS = (sympy.Integer(3), sympy.Integer(5), sympy.Integer(8))


class Unsupported(Exception):
    """The tree has no form in sympy, or one that would be too large."""


def decide(first: Node, second: Node) -> bool | None:
    """Whether two expressions are equal; None where sympy cannot tell. May take any time: the parent keeps the clock."""
    whole = _counted(first) | _counted(second)
    try:
        one, two = (_Builder(whole).build(node).doit() for node in (first, second))
    except Unsupported:
        return None
    difference = one - two
    if _is_antiderivative(first) != _is_antiderivative(second):
        difference = sympy.diff(difference, sympy.Symbol(_variable_of(first, second), real=True))
    if difference == 0:
        return True
    different = _differs(difference, whole)
    if different is not None:
        return not different and (sympy.simplify(difference) == 0 or bool(difference.free_symbols) or None)
    return True if sympy.simplify(difference) == 0 else None


def _differs(difference: Any, whole: frozenset[str]) -> bool | None:
    """Whether the difference is not zero at some point, to many digits; None where it has no value."""
    seen = None
    for at in range(len(POINTS) if difference.free_symbols else 1):
        point = {
            symbol: (WHOLE_POINTS if symbol.name in whole else POINTS)[at] + number
            for number, symbol in enumerate(sorted(difference.free_symbols, key=str))
        }
        value = difference.subs(point).evalf(DIGITS)
        if not value.is_number or value.has(sympy.nan, sympy.zoo, sympy.oo):
            continue
        if not value.is_comparable and not value.is_complex:
            continue
        seen = False
        if abs(value) > sympy.Float(10) ** (10 - DIGITS):
            return True
    return seen


def _counted(node: Node) -> frozenset[str]:
    """Variables that stand for natural numbers: those in the limits of sums and products, and what these run over."""
    names = set()
    for part in walk(node):
        if isinstance(part, Bound) and part.operator in ("sum", "product"):
            names.add(part.variable)
            for limit in (part.lower, part.upper):
                names |= {symbol.name for symbol in walk(limit) if isinstance(symbol, Symbol)} if limit else set()
    return frozenset(names)


def _is_antiderivative(node: Node) -> bool:
    return any(isinstance(part, Bound) and part.operator == "integral" and part.lower is None for part in walk(node))


def _variable_of(*nodes: Node) -> str:
    return next(part.variable for node in nodes for part in walk(node) if isinstance(part, Bound))


class _Builder:
    def __init__(self, whole: frozenset[str]) -> None:
        self._whole = whole

    def build(self, node: Node) -> Any:
        match node:
            case Number(value):
                return sympy.Rational(value.numerator, value.denominator)
            case Symbol(name):
                return self._symbol(name)
            case Constant(name):
                return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}[name]
            case Add(terms):
                return sympy.Add(*map(self.build, terms))
            case Mul(factors):
                return sympy.Mul(*map(self.build, factors))
            case Pow(base, exponent):
                return self._power(self.build(base), self.build(exponent))
            case Quantity(inner, "%"):
                return self.build(inner) / 100
            case Quantity(inner, "degree"):
                return self.build(inner) * sympy.pi / 180
            case Bound():
                return self._bound(node)
            case Apply(function, arguments) if function in _FUNCTIONS:
                return _FUNCTIONS[function](*map(self.build, arguments))
            case Apply(function, arguments) if len(function.rstrip("'")) == 1:
                return sympy.Function(function)(*map(self.build, arguments))
        raise Unsupported(type(node).__name__)

    def _symbol(self, name: str) -> Any:
        if name in self._whole:
            return sympy.Symbol(name, integer=True, positive=True)
        return sympy.Symbol(name, real=True)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base.is_Rational and exponent.is_Rational:
            bits = max(int(base.p).bit_length(), int(base.q).bit_length())
            if bits * abs(exponent) > MAX_BITS:
                raise Unsupported("a large power")
        return sympy.Pow(base, exponent)

    def _bound(self, node: Bound) -> Any:
        variable = self._symbol(node.variable)
        body = self.build(node.body)
        limits = [self.build(limit) for limit in (node.lower, node.upper) if limit is not None]
        match node.operator, limits:
            case "sum", [lower, upper]:
                return sympy.Sum(body, (variable, lower, upper))
            case "product", [lower, upper]:
                return sympy.Product(body, (variable, lower, upper))
            case "integral", []:
                return sympy.Integral(body, variable)
            case "integral", [lower, upper]:
                return sympy.Integral(body, (variable, lower, upper))
            case "limit", [point]:
                return sympy.Limit(body, variable, point, "+-" if point.is_finite else "-")
            case "derivative", []:
                return sympy.Derivative(body, variable)
        raise Unsupported("an operator without its bounds")


def _factorial(value: Any) -> Any:
    if (value.is_number and not value.is_comparable) or (value.is_comparable and value > MAX_FACTORIAL):
        raise Unsupported("a large factorial")
    return sympy.factorial(value)


def _binomial(n: Any, k: Any) -> Any:
    if k.is_comparable and k > MAX_FACTORIAL:
        raise Unsupported("a large binomial")
    return sympy.binomial(n, k)


def _inverse(name: str) -> str:
    return name.replace("arc", "a", 1)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(sympy, name) for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()},
    **{
        name: getattr(sympy, _inverse(name))
        for name in "arcsin arccos arctan arccot arcsec arccsc arcsinh arccosh arctanh".split()
    },
    "ln": sympy.log,
    "log": sympy.log,
    "abs": sympy.Abs,
    "factorial": _factorial,
    "binomial": _binomial,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "gcd": sympy.gcd,
    "lcm": sympy.lcm,
    "mod": sympy.Mod,
    "min": sympy.Min,
    "max": sympy.Max,
    "re": sympy.re,
    "im": sympy.im,
    "arg": sympy.arg,
    "conjugate": sympy.conjugate,
    "sign": sympy.sign,
    "root": sympy.real_root,
}
