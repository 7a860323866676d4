"""Values of trees to many digits, by mpmath, at fixed pseudo-random points."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from skillforge_math_grader.effort import FUNCTION, effort
from skillforge_math_grader.exact import TOO_MUCH, Undefined, Unevaluated, exact_value
from skillforge_math_grader.tree import Add, Apply, Bound, Constant, Matrix, Mul, Node, Number, Pow, Quantity, Symbol

DIGITS = 60
MAX_MAGNITUDE = 20_000
"""Numbers beyond 2^±20000 are not computed: exponentials of them would take memory without bound."""

POINTS = ((0.3, 0.9), (1.1, 2.9), (-0.9, -0.2), (3.1, 7.0), (-3.0, -1.1), (0.05, 0.5), (10.0, 30.0), (-9.0, -4.0))
"""Ranges that the variables are drawn from, one a point. Every other point mixes the signs."""

REAL_POINTS = 2 * len(POINTS)
WHOLE_POINTS = 6
"""At the points after the real ones variables are natural numbers, for what has a value only there: `(-1)^n`."""


class Evaluator:
    """Evaluates at one point with one precision. Values are mpmath's `mpf`, or `mpc` where they are not real."""

    def __init__(self, point: int, digits: int = DIGITS, real: bool = False) -> None:
        """With `real`, roots of negative numbers have no value."""
        self._real = real
        self._context = _context(digits)
        self._point = point
        self._digits = digits
        self._left = effort()

    def value(self, node: Node, variables: Mapping[str, Any] | None = None) -> Any:
        """Raises Unevaluated for what has no value here, and what is too large."""
        try:
            return self._value(node, variables or {})
        except (ZeroDivisionError, ValueError, OverflowError, TypeError, NotImplementedError) as error:
            raise Undefined(str(error)) from None

    def rounding(self, digits: int) -> Any:
        """The relative error of a value with so many digits."""
        return self._context.mpf(10) ** -digits

    def rounded(self, value: Any, digits: int) -> str:
        """`value` with so many significant digits, as text."""
        return str(self._context.nstr(value, digits))

    def _value(self, node: Node, variables: Mapping[str, Any]) -> Any:
        self._left.steps -= FUNCTION if isinstance(node, Apply | Pow) else 1
        if self._left.steps < 0:
            raise Unevaluated(TOO_MUCH)
        mp = self._context
        match node:
            case Number(value):
                return (
                    mp.mpf(value.numerator) / value.denominator if value.denominator != 1 else mp.mpf(value.numerator)
                )
            case Symbol(name):
                if name in variables:
                    return variables[name]
                if name == "...":
                    raise Unevaluated("an ellipsis")
                return _draw(name, self._point, self._digits)
            case Constant("pi"):
                return +mp.pi
            case Constant("e"):
                return +mp.e
            case Constant("i"):
                return mp.mpc(0, 1)
            case Add(terms):
                return mp.fsum(self._value(term, variables) for term in terms)
            case Mul(factors):
                result = mp.mpf(1)
                for factor in factors:
                    result *= self._value(factor, variables)
                return self._bounded(result)
            case Pow(base, exponent):
                return self._power(self._value(base, variables), self._value(exponent, variables))
            case Quantity(inner, "%"):
                return self._value(inner, variables) / 100
            case Quantity(inner, "degree"):
                return self._value(inner, variables) * mp.pi / 180
            case Apply("det", (Matrix(rows),)) if len(rows) == len(rows[0]) <= 8:
                return mp.det(mp.matrix([[self._value(cell, variables) for cell in row] for row in rows]))
            case Apply(function, arguments) if function in _FUNCTIONS:
                values = [self._value(argument, variables) for argument in arguments]
                if any(mp.mag(value) > 300 for value in values if value):
                    raise Unevaluated("a function of a large number")
                return self._bounded(_FUNCTIONS[function](mp, *values))
            case Bound("sum" | "product", body, variable, lower, upper) if lower is not None and upper is not None:
                return self._series(node, body, variable, lower, upper, variables)
        raise Unevaluated(type(node).__name__)

    def _power(self, base: Any, exponent: Any) -> Any:
        mp = self._context
        if not base:
            if exponent == 0 or mp.re(exponent) < 0:
                raise Undefined("a power of zero")
            return base
        if exponent == -1:
            return 1 / base
        if exponent and mp.mag(exponent) < -self._digits:
            raise Unevaluated("a root of a degree beyond the digits")
        if self._real and mp.im(base) == 0 and base < 0 and not mp.isint(exponent):
            raise Undefined("a root of a negative number")
        if exponent == 0.5:
            return mp.sqrt(base)
        if mp.mag(exponent) + mp.mag(mp.mag(base) or 1) > 40:
            raise Unevaluated("a large power")
        return self._bounded(mp.power(base, exponent))

    def _bounded(self, value: Any) -> Any:
        if value and abs(self._context.mag(value)) > MAX_MAGNITUDE:
            raise Unevaluated("a large number")
        return value

    def _series(
        self, node: Bound, body: Node, variable: str, lower: Node, upper: Node, variables: Mapping[str, Any]
    ) -> Any:
        mp, first, last = self._context, exact_value(lower), exact_value(upper)
        if first.denominator != 1 or last.denominator != 1 or last - first > 300:
            raise Unevaluated("a long series")
        terms = [self._value(body, {**variables, variable: mp.mpf(k)}) for k in range(int(first), int(last) + 1)]
        return mp.fsum(terms) if node.operator == "sum" else mp.fprod(terms)


@lru_cache(maxsize=16)
def _context(digits: int) -> Any:
    """mpmath is imported when the first answer needs it."""
    from mpmath.ctx_mp import MPContext

    context = MPContext()
    context.dps = digits
    return context


@lru_cache(maxsize=1024)
def _draw(name: str, point: int, digits: int) -> Any:
    digest = hashlib.blake2b(f"{name}/{point}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    low, high = POINTS[point % len(POINTS)]
    if point % 2 and digest[0] & 1:
        low, high = -high, -low
    context = _context(digits)
    if point >= REAL_POINTS:
        return context.mpf(1 + digest[0] % 12)
    share = context.mpf(int.from_bytes(digest, "big")) / (1 << 128)
    return context.mpf(low) + (context.mpf(high) - context.mpf(low)) * share


def _real_root(mp: Any, value: Any, degree: Any) -> Any:
    if degree == 0 or not mp.isint(degree):
        return mp.power(value, 1 / degree)
    if mp.im(value) == 0 and value < 0 and int(degree) % 2:
        return -mp.root(-value, int(degree))
    return mp.power(value, 1 / degree)


def _real(mp: Any, value: Any) -> Any:
    """Raises where an order is asked of complex numbers."""
    if mp.im(value) != 0:
        raise ValueError("no order among complex numbers")
    return mp.re(value)


def _rounded(mp: Any, value: Any, function: Callable[[Any], Any]) -> Any:
    value = _real(mp, value)
    if abs(value - mp.nint(value)) < mp.mpf(10) ** (10 - mp.dps):  # a whole number but for rounding
        return mp.nint(value)
    return function(value)


def _named(name: str, mp: Any, value: Any) -> Any:
    return getattr(mp, name)(value)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: partial(_named, name) for name in "sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()},
    **{f"arc{name}": partial(_named, f"a{name}") for name in "sin cos tan sec csc sinh cosh tanh".split()},
    "arccot": lambda mp, x: mp.pi / 2 - mp.atan(x),
    "ln": lambda mp, x: mp.log(x),
    "log": lambda mp, x, base: mp.log(x) / mp.log(base),
    "abs": lambda mp, x: abs(x),
    "factorial": lambda mp, x: mp.factorial(x),
    "double_factorial": lambda mp, x: mp.fac2(x),
    "binomial": lambda mp, n, k: mp.binomial(n, k),
    "floor": lambda mp, x: _rounded(mp, x, mp.floor),
    "ceil": lambda mp, x: _rounded(mp, x, mp.ceil),
    "sign": lambda mp, x: mp.sign(_real(mp, x)),
    "re": lambda mp, x: mp.re(x),
    "im": lambda mp, x: mp.im(x),
    "arg": lambda mp, x: mp.arg(x),
    "conjugate": lambda mp, x: mp.conj(x),
    "max": lambda mp, *values: max(_real(mp, value) for value in values),
    "min": lambda mp, *values: min(_real(mp, value) for value in values),
    "mod": lambda mp, x, m: mp.fmod(_real(mp, x), _real(mp, m)),
    "root": _real_root,
}
