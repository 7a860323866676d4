"""The last stage: sympy, on objects that are built from our trees and never parsed from text. Runs in the worker only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from mpmath import mp, mpf, workprec
from sympy.core.evalf import evalf

from skillforge_math_grader import tree
from skillforge_math_grader.numeric import POINTS
from skillforge_math_grader.tree import Node

MAX_BITS = 20_000
"""Powers and factorials that are larger are refused before sympy carries them out."""

MAX_FACTORIAL = 1_000
MAX_TERMS = 10_000
"""Products of more factors are refused, since sympy multiplies them out; longer sums are approximated first."""

ROUNDS = 2 * len(POINTS)
ENOUGH_POINTS = 5
"""Points at which both sides have the same value, before they count as equal."""

PRECISION = 170
QUADRATURE_PRECISION = 110
"""Bits that sums, products and integrals are evaluated to."""

ERROR = mpf(2) ** -90
"""Values with a larger error are not compared. Those that differ by less than `NOISE` such errors are equal."""

NOISE = 2**16


class Unsupported(Exception):
    """The tree has no form in sympy, or one that would be too large."""


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
    if (variable := _variable_of_families(first, second)) is not None:
        one, two = (side.diff(sympy.Symbol(variable, real=True)) for side in (one, two))
    elif _antiderivatives(first) or _antiderivatives(second):
        return None if _is_family(first) and _is_family(second) else False
    if not _is_slow(one) and not _is_slow(two) and (found := _compare(one, two)) is not None:
        return found
    done_one, done_two = one.doit(), two.doit()
    if (done_one, done_two) != (one, two) and (found := _compare(done_one, done_two)) is not None:
        return found
    return True if sympy.simplify(done_one - done_two) == 0 else None


def _is_slow(expression: Any) -> bool:
    """Whether it is better carried out than evaluated as it is: a limit, a short sum, an integral with parameters."""
    if expression.has(sympy.Limit) or (expression.has(sympy.Integral) and expression.free_symbols):
        return True
    return any(upper - lower < MAX_TERMS for lower, upper in _whole_bounds(expression))


def _whole_bounds(expression: Any) -> list[tuple[int, int]]:
    bounds = [part.limits[0][1:] for part in expression.atoms(sympy.Sum)]
    return [(int(lower), int(upper)) for lower, upper in bounds if lower.is_Integer and upper.is_Integer]


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
    wanted = ENOUGH_POINTS if variables else 1
    for turn in range(ROUNDS if variables else 1):
        point = {variable: _draw(variable, turn) for variable in variables}
        found = _compare_at(one, two, point, complex_allowed)
        if found is False:
            return False
        wanted -= found is True
        if wanted == 0:
            return True
    return None


def _compare_at(one: Any, two: Any, point: Mapping[Any, Any], complex_allowed: bool) -> bool | None:
    a, b = _value(one, point), _value(two, point)
    if a is None or b is None:
        return None
    with workprec(MAX_BITS):
        (a, error_a), (b, error_b) = a, b
        if not complex_allowed and max(abs(a.imag), abs(b.imag)) > ERROR:
            return None
        return bool(abs(a - b) <= NOISE * (error_a + error_b))


def _value(expression: Any, point: Mapping[Any, Any]) -> tuple[Any, Any] | None:
    """A number and a bound of its error, which is below `ERROR`; None if there are none."""
    if expression.has(sympy.Integral):  # sympy takes integrals of numbers only
        expression, point = expression.xreplace(point), {}
    hard = expression.has(*_OPEN)
    precision = QUADRATURE_PRECISION if hard else PRECISION
    for _ in range(2):
        options = {"subs": dict(point), "maxprec": precision + 20 if hard else 4 * precision}
        try:
            parts = evalf(expression, precision, options)
            numbers = [mp.make_mpf(part) if part else mpf(0) for part in parts[:2]]
        except Exception:  # evalf raises whatever it likes where there is no value, or no way to find it
            return None
        with workprec(MAX_BITS):
            value = mp.mpc(*numbers)
            if not value or not mp.isfinite(value):
                return None if value else (value, mpf(0))
            accuracy = min(bits for number, bits in zip(numbers, parts[2:], strict=True) if number)
            error = mp.ldexp(abs(value), -int(accuracy))
            if error <= ERROR:
                return value, error
            precision += int(mp.mag(value))  # large numbers are told apart to the same absolute error
        if accuracy < 90 or precision > MAX_BITS:
            return None
    return None


def _draw(variable: Any, turn: int) -> Any:
    """A value for a variable: the same in all runs."""
    digest = hashlib.blake2b(f"{variable.name}/{turn}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    if variable.is_integer:
        return sympy.Integer(1 + turn + 2 * (digest[0] % 3))
    low, high = (sympy.Rational(str(bound)) for bound in POINTS[turn % len(POINTS)])
    return low + (high - low) * sympy.Rational(1 + digest[0], 257)


# Families of antiderivatives ---------------------------------------------------------------------------------------------


def _antiderivatives(node: Node) -> set[str]:
    """The variables of integrals without bounds, to which a constant may be added."""
    bounds = [part for part in tree.walk(node) if isinstance(part, tree.Bound)]
    return {part.variable for part in bounds if part.operator == "integral" and part.lower is None}


def _is_family(node: Node) -> bool:
    return bool(_antiderivatives(node)) or (isinstance(node, tree.Add) and tree.Symbol("C") in node.terms)


def _variable_of_families(first: Node, second: Node) -> str | None:
    """By which both are derived to compare them up to a constant: where both have one, and there is one variable."""
    if not (_is_family(first) and _is_family(second)):
        return None
    names = _antiderivatives(first) | _antiderivatives(second) or (_names(first) | _names(second)) - {"C"}
    return names.pop() if len(names) == 1 else None


def _names(node: Node) -> set[str]:
    return {part.name for part in tree.walk(node) if isinstance(part, tree.Symbol)}


# From our trees ----------------------------------------------------------------------------------------------------------


def to_sympy(node: Node, scope: Mapping[str, Any] | None = None) -> Any:
    """The sympy object, built by constructors. Symbols are those of `scope`, by name, or real. Raises Unsupported."""
    return _Builder(scope or {}).build(node)


def _counted(node: Node) -> dict[str, Any]:
    """The variables in the bounds of sums and products stand for natural numbers."""
    names = set()
    for part in tree.walk(node):
        if isinstance(part, tree.Bound) and part.operator in ("sum", "product"):
            bounds = [bound for bound in (part.lower, part.upper) if bound is not None]
            names |= {name for bound in bounds for name in _names(bound)}
    return {name: sympy.Symbol(name, integer=True, positive=True) for name in names}


class _Builder:
    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope

    def build(self, node: Node) -> Any:
        match node:
            case tree.Number(value):
                return sympy.Rational(value.numerator, value.denominator)
            case tree.Symbol("..."):
                raise Unsupported("an ellipsis")
            case tree.Symbol(name):
                return self._scope.get(name) or sympy.Symbol(name, real=True)
            case tree.Constant(name):
                return _CONSTANTS[name]
            case tree.Add(terms):
                return sympy.Add(*map(self.build, terms))
            case tree.Mul(factors):
                return sympy.Mul(*map(self.build, factors))
            case tree.Pow(base, exponent):
                return _power(self.build(base), self.build(exponent))
            case tree.Quantity(inner, "%"):
                return self.build(inner) / 100
            case tree.Quantity(inner, "degree"):
                return self.build(inner) * sympy.pi / 180
            case tree.Bound():
                return self._bound(node)
            case tree.Apply("det", (tree.Matrix(rows),)) if len(rows) == len(rows[0]):
                return sympy.Matrix([[self.build(cell) for cell in row] for row in rows]).det()
            case tree.Apply(function, arguments):
                return _FUNCTIONS.get(function, sympy.Function(function))(*map(self.build, arguments))
        raise Unsupported(type(node).__name__)

    def _bound(self, node: tree.Bound) -> Any:
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
            case "product", [lower, sympy.oo]:
                last = sympy.Dummy(integer=True, positive=True)
                partial = sympy.Product(body, (variable, lower, last)).doit()
                return sympy.Limit(sympy.combsimp(partial), last, sympy.oo, "-")
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


def _only(fits: Callable[[Any], bool], function: Callable[..., Any]) -> Callable[..., Any]:
    def applied(*values: Any) -> Any:
        if not all(map(fits, values)):
            raise Unsupported("a large number, or one of another kind")
        return function(*values)

    return applied


def _is_small(value: Any) -> bool:
    return not value.is_number or bool(value.is_Rational and abs(value) <= MAX_FACTORIAL)


def _real_root(value: Any, degree: Any) -> Any:
    if degree.is_odd and value.is_extended_real:
        return sympy.sign(value) * _power(abs(value), 1 / degree)
    return _power(value, 1 / degree)


_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}
_INFINITE = (sympy.oo, -sympy.oo)
_OPEN = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(sympy, name) for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()},
    **{name: getattr(sympy, name) for name in "floor re im arg conjugate sign".split()},
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in "sin cos tan sec csc sinh cosh tanh".split()},
    "arccot": lambda value: sympy.pi / 2 - sympy.atan(value),
    "ln": sympy.log,
    "log": sympy.log,
    "abs": sympy.Abs,
    "factorial": _only(_is_small, sympy.factorial),
    "double_factorial": _only(_is_small, sympy.factorial2),
    "binomial": _only(_is_small, sympy.binomial),
    "ceil": sympy.ceiling,
    "gcd": _only(lambda value: value.is_Integer, sympy.igcd),
    "lcm": _only(lambda value: value.is_Integer, sympy.ilcm),
    "mod": sympy.Mod,
    "min": sympy.Min,
    "max": sympy.Max,
    "root": _real_root,
}
