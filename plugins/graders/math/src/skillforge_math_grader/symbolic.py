"""The last stage: sympy, on objects that are built from our trees and never parsed from text. Runs in the worker only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sympy
from mpmath import mp, mpf, workprec
from sympy.core.evalf import evalf

from skillforge_math_grader.numeric import POINTS
from skillforge_math_grader.tree import (
    Add,
    Apply,
    Bound,
    Constant,
    Matrix,
    Mul,
    Node,
    Number,
    Pow,
    Quantity,
    Symbol,
    walk,
)

MAX_BITS = 10_000
"""Powers and factorials that are larger are refused before sympy carries them out."""

MAX_FACTORIAL = 1_000
MAX_TERMS = 10_000
"""Products of more factors are refused: sympy multiplies them out."""

ROUNDS = 2 * len(POINTS)
ENOUGH_POINTS = 5
"""Points at which both sides have the same value, before they count as equal."""

PRECISION = 170
QUADRATURE_PRECISION = 110
"""Bits that sums, products and integrals are evaluated to."""

ERROR = mpf(2) ** -90
"""Values with a larger error are not compared. Those that differ by less than `NOISE` such errors are equal."""

NOISE = 2**16

Scope = Mapping[str, Any]


class Unsupported(Exception):
    """The tree has no form in sympy, or one that would be too large."""


class _Value(NamedTuple):
    number: Any
    error: Any


def decide(first: Node, second: Node) -> bool | None:
    """Whether two expressions are equal where both have a value; None where that cannot be told.

    A difference needs two values that are further apart than their errors. Equality needs the same value at several
    points, or sympy to bring both to the same form. May take any time, and raise whatever sympy raises: the worker's
    parent keeps the clock.
    """
    scope = _counted(first) | _counted(second)
    try:
        one, two = to_sympy(first, scope), to_sympy(second, scope)
    except Unsupported:
        return None
    if _is_family(first) or _is_family(second):
        variable = _variable_of_family(first, second)
        if variable is None:
            return False if _is_family(first) != _is_family(second) else None
        one, two = (side.diff(sympy.Symbol(variable, real=True)) for side in (one, two))
    for form in (_as_it_is, _carried_out):
        one, two = form(one), form(two)
        found = _compare(one, two)
        if found is not None:
            return found
    return True if sympy.simplify(one - two) == 0 else None


def _as_it_is(expression: Any) -> Any:
    return expression


def _carried_out(expression: Any) -> Any:
    return expression.doit()


def _compare(one: Any, two: Any) -> bool | None:
    if one.has(sympy.nan, sympy.zoo) or two.has(sympy.nan, sympy.zoo):
        return None
    if one == two:
        return True
    if one in _INFINITE or two in _INFINITE:
        return False if one.is_number and two.is_number and not (one.has(*_OPEN) or two.has(*_OPEN)) else None
    if one.is_Rational and two.is_Rational:
        return False
    variables = sorted(one.free_symbols | two.free_symbols, key=str)
    complex_allowed = not variables or one.has(sympy.I) or two.has(sympy.I)
    agreed = 0
    for round in range(ROUNDS if variables else 1):
        point = {variable: _draw(variable, round) for variable in variables}
        found = _compare_at(one, two, point, complex_allowed)
        if found is False:
            return False
        agreed += found is True
        if agreed == (ENOUGH_POINTS if variables else 1):
            return True
    return None


def _compare_at(one: Any, two: Any, point: Mapping[Any, Any], complex_allowed: bool) -> bool | None:
    a, b = _value(one, point), _value(two, point)
    if a is None or b is None:
        return None
    with workprec(MAX_BITS):
        if not complex_allowed and max(abs(a.number.imag), abs(b.number.imag)) > ERROR:
            return None
        return bool(abs(a.number - b.number) <= NOISE * (a.error + b.error))


def _value(expression: Any, point: Mapping[Any, Any]) -> _Value | None:
    """The value with a bound of its error that is below `ERROR`, or None."""
    if expression.has(sympy.Integral):  # whose evaluation looks at no point
        expression, point = expression.xreplace(point), {}
    operated = expression.has(*_OPERATORS)
    precision = QUADRATURE_PRECISION if operated else PRECISION
    for _ in range(2):
        options = {"subs": dict(point), "maxprec": precision + 20 if operated else 4 * precision}
        try:
            parts = evalf(expression, precision, options)
            numbers = [mp.make_mpf(part) if part else mpf(0) for part in parts[:2]]
        except Exception:  # evalf raises whatever it likes where there is no value, or no way to find it
            return None
        with workprec(MAX_BITS):
            errors = [
                mp.ldexp(abs(number), -int(accuracy)) if number and accuracy < MAX_BITS else mpf(0)
                for number, accuracy in zip(numbers, parts[2:], strict=True)
            ]
            value = _Value(mp.mpc(*numbers), sum(errors))
            if not mp.isfinite(value.number):
                return None
            if value.error <= ERROR:
                return value
            precision += max(mp.mag(value.number), 0)  # large numbers are told apart to the same absolute error
        if precision > MAX_BITS:
            return None
    return None


def _draw(variable: Any, round: int) -> Any:
    """A value for a variable: the same in all runs."""
    digest = hashlib.blake2b(f"{variable.name}/{round}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    if variable.is_integer:
        return sympy.Integer(1 + round + digest[0] % 5)
    low, high = (sympy.Rational(str(bound)) for bound in POINTS[round % len(POINTS)])
    return low + (high - low) * sympy.Rational(1 + digest[0], 257)


# Families of antiderivatives ---------------------------------------------------------------------------------------------


def _is_family(node: Node) -> bool:
    """Whether a constant may be added: an integral without bounds, or a sum with the term C."""
    if any(isinstance(part, Bound) and part.operator == "integral" and part.lower is None for part in walk(node)):
        return True
    return isinstance(node, Add) and Symbol("C") in node.terms


def _variable_of_family(first: Node, second: Node) -> str | None:
    """By which both families are derived, if both are families in one variable."""
    if not (_is_family(first) and _is_family(second)):
        return None
    parts = [*walk(first), *walk(second)]
    names = {part.variable for part in parts if isinstance(part, Bound) and part.lower is None}
    names = names or {part.name for part in parts if isinstance(part, Symbol)} - {"C"}
    return names.pop() if len(names) == 1 else None


# From our trees ----------------------------------------------------------------------------------------------------------


def to_sympy(node: Node, scope: Scope | None = None) -> Any:
    """The sympy object. Symbols are those of `scope`, by name, or real. Raises Unsupported."""
    return _Builder(scope or {}).build(node)


def _counted(node: Node) -> dict[str, Any]:
    """The variables in the bounds of sums and products stand for natural numbers."""
    names = set()
    for part in walk(node):
        if isinstance(part, Bound) and part.operator in ("sum", "product"):
            bounds = [bound for bound in (part.lower, part.upper) if bound is not None]
            names |= {symbol.name for bound in bounds for symbol in walk(bound) if isinstance(symbol, Symbol)}
    return {name: sympy.Symbol(name, integer=True, positive=True) for name in names}


class _Builder:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def build(self, node: Node) -> Any:
        match node:
            case Number(value):
                return sympy.Rational(value.numerator, value.denominator)
            case Symbol("..."):
                raise Unsupported("an ellipsis")
            case Symbol(name):
                return self._scope.get(name) or sympy.Symbol(name, real=True)
            case Constant(name):
                return _CONSTANTS[name]
            case Add(terms):
                return sympy.Add(*map(self.build, terms))
            case Mul(factors):
                return sympy.Mul(*map(self.build, factors))
            case Pow(base, exponent):
                return _power(self.build(base), self.build(exponent))
            case Quantity(inner, "%"):
                return self.build(inner) / 100
            case Quantity(inner, "degree"):
                return self.build(inner) * sympy.pi / 180
            case Bound():
                return self._bound(node)
            case Apply("det", (Matrix(rows),)) if len(rows) == len(rows[0]):
                return sympy.Matrix([[self.build(cell) for cell in row] for row in rows]).det()
            case Apply(function, arguments):
                return _FUNCTIONS.get(function, sympy.Function(function))(*map(self.build, arguments))
        raise Unsupported(type(node).__name__)

    def _bound(self, node: Bound) -> Any:
        limits = [self.build(limit) for limit in (node.lower, node.upper) if limit is not None]
        counts = node.operator in ("sum", "product")
        if limits and node.operator != "limit":
            natural = bool(limits[0].is_nonnegative and (counts or limits[-1].is_nonnegative))
            variable = sympy.Symbol(node.variable, integer=counts or None, real=True, nonnegative=natural or None)
        else:
            variable = self._scope.get(node.variable) or sympy.Symbol(node.variable, real=True)
        body = _Builder({**self._scope, node.variable: variable}).build(node.body)
        match node.operator, limits:
            case "sum", [lower, upper]:
                return sympy.Sum(body, (variable, lower, upper))
            case "product", [lower, upper]:
                if (upper - lower).is_Integer and upper - lower > MAX_TERMS:
                    raise Unsupported("a long product")
                return sympy.Product(body, (variable, lower, upper))
            case "integral", [] | [_, _]:
                return sympy.Integral(body, (variable, *limits))
            case "limit", [point]:
                return sympy.Limit(body, variable, point, "+-" if point.is_finite else "-")
            case "derivative", []:
                return sympy.diff(body, variable)
        raise Unsupported("an operator without its bounds")


def _power(base: Any, exponent: Any) -> Any:
    if exponent.is_Rational and abs(exponent) * sum(map(_bits, base.atoms(sympy.Rational))) > MAX_BITS:
        raise Unsupported("a large power")
    return sympy.Pow(base, exponent)


def _bits(number: Any) -> int:
    return 0 if abs(number) == 1 else max(int(number.p).bit_length(), int(number.q).bit_length())


def _factorial(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def bounded(value: Any) -> Any:
        if value.is_number and not (value.is_Rational and value <= MAX_FACTORIAL):
            raise Unsupported("the factorial of a large or irrational number")
        return function(value)

    return bounded


def _binomial(n: Any, k: Any) -> Any:
    if any(value.is_number and not (value.is_Rational and abs(value) <= MAX_FACTORIAL) for value in (n, k)):
        raise Unsupported("a large binomial")
    return sympy.binomial(n, k)


def _real_root(value: Any, degree: Any) -> Any:
    if degree.is_odd and value.is_extended_real:
        return sympy.sign(value) * _power(abs(value), 1 / degree)
    return _power(value, 1 / degree)


def _of_whole_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    def applied(*values: Any) -> Any:
        if not all(value.is_Integer for value in values):
            raise Unsupported("a divisor of what is no whole number")
        return function(*values)

    return applied


_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}
_INFINITE = (sympy.oo, -sympy.oo)
_OPERATORS = (sympy.Sum, sympy.Product, sympy.Integral)
_OPEN = (*_OPERATORS, sympy.Limit)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(sympy, name) for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()},
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in "sin cos tan sec csc sinh cosh tanh".split()},
    "arccot": lambda value: sympy.pi / 2 - sympy.atan(value),
    "ln": sympy.log,
    "log": sympy.log,
    "abs": sympy.Abs,
    "factorial": _factorial(sympy.factorial),
    "double_factorial": _factorial(sympy.factorial2),
    "binomial": _binomial,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "gcd": _of_whole_numbers(sympy.igcd),
    "lcm": _of_whole_numbers(sympy.ilcm),
    "mod": sympy.Mod,
    "min": sympy.Min,
    "max": sympy.Max,
    "re": sympy.re,
    "im": sympy.im,
    "arg": sympy.arg,
    "conjugate": sympy.conjugate,
    "sign": sympy.sign,
    "root": _real_root,
}
