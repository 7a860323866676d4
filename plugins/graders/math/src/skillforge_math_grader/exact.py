"""Exact rational arithmetic on trees, within bounds: the value of a constant that is a fraction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce

from skillforge_math_grader.effort import Effort, effort
from skillforge_math_grader.tree import Add, Apply, Bound, Matrix, Mul, Node, Number, Pow, Quantity, Symbol

MAX_BITS = 20_000
"""Larger numbers stay symbolic."""

MAX_TERMS = 2_000
"""Longer sums and products are not carried out."""

MAX_SIDE = 12
"""Determinants of larger matrices are not computed."""


TOO_MUCH = "it would take too long"


class Unevaluated(Exception):
    """The node has no value here: it is not rational, too large, or of another kind."""


class Undefined(Unevaluated):
    """The node has no value at all: division by zero."""


def exact_value(node: Node, variables: Mapping[str, Fraction] | None = None) -> Fraction:
    """The value of a tree that is rational. Raises Unevaluated."""
    return _Exact(variables or {}, effort()).value(node)


def determinant(rows: list[list[Fraction]]) -> Fraction:
    """The determinant of a square matrix, by elimination."""
    result = Fraction(1)
    for at in range(len(rows)):
        pivot = next((row for row in range(at, len(rows)) if rows[row][at]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != at:
            rows[at], rows[pivot] = rows[pivot], rows[at]
            result = -result
        result *= rows[at][at]
        for row in range(at + 1, len(rows)):
            factor = rows[row][at] / rows[at][at]
            if factor:
                rows[row] = [cell - factor * above for cell, above in zip(rows[row], rows[at], strict=True)]
    return result


class _Exact:
    def __init__(self, variables: Mapping[str, Fraction], left: Effort) -> None:
        self._variables = variables
        self._left = left

    def value(self, node: Node) -> Fraction:
        self._left.steps -= 1
        if self._left.steps < 0:
            raise Unevaluated(TOO_MUCH)
        match node:
            case Number(value):
                return value
            case Add(terms):
                return _bounded(sum((self.value(term) for term in terms), Fraction(0)))
            case Mul(factors):
                result = Fraction(1)
                for factor in factors:
                    result = _bounded(result * self.value(factor))
                return result
            case Pow(base, exponent):
                return self._power(self.value(base), self.value(exponent))
            case Apply(function, arguments) if function in _FUNCTIONS:
                return _FUNCTIONS[function](*(self.value(argument) for argument in arguments))
            case Apply("det", (Matrix(rows),)) if len(rows) == len(rows[0]) <= MAX_SIDE:
                return _bounded(determinant([[self.value(cell) for cell in row] for row in rows]))
            case Quantity(inner, "%"):
                return self.value(inner) / 100
            case Bound("sum" | "product", body, variable, lower, upper) if lower is not None and upper is not None:
                return self._series(node.operator, body, variable, self.value(lower), self.value(upper))
            case Symbol(name) if name in self._variables:
                return self._variables[name]
        raise Unevaluated(type(node).__name__)

    def _series(self, operator: str, body: Node, variable: str, first: Fraction, last: Fraction) -> Fraction:
        if first.denominator != 1 or last.denominator != 1 or last - first > MAX_TERMS:
            raise Unevaluated("a long series")
        result = Fraction(operator == "product")
        for index in range(int(first), int(last) + 1):
            term = _Exact({**self._variables, variable: Fraction(index)}, self._left).value(body)
            result = _bounded(result + term if operator == "sum" else result * term)
        return result

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1:
            return _root(self._power(base, Fraction(exponent.numerator)), exponent.denominator)
        if base == 0 and exponent <= 0:
            raise Undefined("a power of zero")
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * size > MAX_BITS and abs(base) != 1 and base:
            raise Unevaluated("a large power")
        return base ** int(exponent) if abs(base) != 1 else base ** int(exponent % 2)


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > 2 * MAX_BITS:
        raise Unevaluated("a large number")
    return value


def _root(value: Fraction, degree: int) -> Fraction:
    """The real root, where it is rational."""
    if degree > 64:
        raise Unevaluated("a high root")
    if value < 0:
        raise Unevaluated("a root of a negative number")
    return Fraction(_integer_root(value.numerator, degree), _integer_root(value.denominator, degree))


def _integer_root(value: int, degree: int) -> int:
    if degree == 2:
        root = math.isqrt(value)
    else:
        if value.bit_length() > 2_000:
            raise Unevaluated("a root of a large number")
        low, high = 0, 1 << (value.bit_length() // degree + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
        root = low
    if root**degree != value:
        raise Unevaluated("an irrational root")
    return root


def _whole(value: Fraction, most: int = MAX_BITS) -> int:
    if value.denominator != 1 or not 0 <= value <= most:
        raise Unevaluated("no natural number of fit size")
    return int(value)


def _factorial(value: Fraction) -> Fraction:
    return Fraction(math.factorial(_whole(value, 1_500)))


def _double_factorial(value: Fraction) -> Fraction:
    return Fraction(math.prod(range(_whole(value, 1_500), 0, -2)))


def _binomial(n: Fraction, k: Fraction) -> Fraction:
    chosen = _whole(k, 10**6)
    if n.denominator == 1 and n >= 0:
        chosen = min(chosen, max(int(n) - chosen, 0)) if int(n) >= chosen else chosen
        if chosen * n.numerator.bit_length() > MAX_BITS:
            raise Unevaluated("a large binomial")
        return Fraction(math.comb(int(n), chosen))
    if chosen > 200:
        raise Unevaluated("a large binomial")
    return math.prod((n - step for step in range(chosen)), start=Fraction(1)) / math.factorial(chosen)


def _logarithm(value: Fraction, base: Fraction) -> Fraction:
    """The logarithm where it is rational: both are powers of one number."""
    if value <= 0 or base <= 0 or base == 1:
        raise Undefined("a logarithm out of its domain")
    if value == 1:
        return Fraction(0)
    guess = Fraction(_log2(value) / _log2(base)).limit_denominator(12)
    if abs(guess) > 10_000 or base**guess.numerator != value**guess.denominator:
        raise Unevaluated("an irrational logarithm")
    return guess


def _log2(value: Fraction) -> float:
    return math.log2(value.numerator) - math.log2(value.denominator)


def _real_root(value: Fraction, degree: Fraction) -> Fraction:
    n = _whole(degree, 64)
    if n == 0:
        raise Undefined("a zeroth root")
    return -_root(-value, n) if value < 0 and n % 2 else _root(value, n)


def _integers(values: tuple[Fraction, ...]) -> list[int]:
    if any(value.denominator != 1 for value in values):
        raise Unevaluated("no integers")
    return [int(value) for value in values]


def _modulo(value: Fraction, modulus: Fraction) -> Fraction:
    if modulus == 0:
        raise Undefined("modulo zero")
    return value % modulus


_FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "abs": abs,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "sign": lambda value: Fraction((value > 0) - (value < 0)),
    "re": lambda value: value,
    "im": lambda value: Fraction(0),
    "conjugate": lambda value: value,
    "max": lambda *values: max(values),
    "min": lambda *values: min(values),
    "gcd": lambda *values: Fraction(reduce(math.gcd, _integers(values))),
    "lcm": lambda *values: Fraction(reduce(math.lcm, _integers(values))),
    "mod": _modulo,
    "factorial": _factorial,
    "double_factorial": _double_factorial,
    "binomial": _binomial,
    "log": _logarithm,
    "root": _real_root,
}
