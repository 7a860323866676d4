"""Values of trees in finite fields: a difference there is a proof, and equality at random points as good as one.

The rational functions in any variables, pi, e, i and the square roots of 2 to 97 map into the integers modulo P by a
homomorphism of rings: variables, and pi and e as if they were some, go to fixed pseudo-random residues, i and the roots to
residues with the right squares, which both P have. Schwartz, J. ACM 27 (1980): two different functions of degree d agree at a
random point with a probability of d/P, about 10^-18.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from functools import lru_cache

from skillforge_math_grader.effort import Effort, effort
from skillforge_math_grader.exact import MAX_SIDE, MAX_TERMS, TOO_MUCH, Undefined, Unevaluated, exact_value
from skillforge_math_grader.tree import Add, Apply, Bound, Constant, Matrix, Mul, Node, Number, Pow, Quantity, Symbol
from skillforge_math_grader.vocabulary import KNOWN_FUNCTIONS

PRIMES = (1239985039966174441, 1617172344214857049)
"""61 bits; 1 modulo 8, so that -1 and 2 are squares, and chosen so that the odd primes up to 97 are squares too."""

_SMALL_PRIMES = tuple(n for n in range(2, 98) if all(n % divisor for divisor in range(2, math.isqrt(n) + 1)))


def residue(node: Node, modulus: int) -> int:
    """The value of `node` modulo one of PRIMES. Raises Unevaluated where it is no such function, or divides by zero."""
    return _Field(modulus, {}, effort()).value(node)


class _Field:
    def __init__(self, modulus: int, variables: dict[str, int], left: Effort) -> None:
        self._p = modulus
        self._variables = variables
        self._left = left

    def value(self, node: Node) -> int:
        self._left.steps -= 1
        if self._left.steps < 0:
            raise Unevaluated(TOO_MUCH)
        p = self._p
        match node:
            case Number(value):
                return self._fraction(value)
            case Symbol(name):
                return self._variables[name] if name in self._variables else _random(name, p)
            case Add(terms):
                return sum(self.value(term) for term in terms) % p
            case Mul(factors):
                result = 1
                for factor in factors:
                    result = result * self.value(factor) % p
                return result
            case Pow(base, exponent):
                return self._power(base, exponent)
            case Constant("i"):
                return _square_root(-1, p)
            case Constant("pi" | "e"):
                return _random(f"\\{node.name}", p)
            case Quantity(inner, unit) if unit in ("%", "degree"):
                scale = self.value(inner) * pow(100 if unit == "%" else 180, -1, p) % p
                return scale if unit == "%" else scale * _random("\\pi", p) % p
            case Apply("binomial", (n, k)):
                return self._binomial(node, n, k)
            case Apply("det", (Matrix(rows),)) if len(rows) == len(rows[0]) <= MAX_SIDE:
                return self._determinant([[self.value(cell) for cell in row] for row in rows])
            case Apply(function, arguments) if function not in KNOWN_FUNCTIONS:
                values = [self.value(argument) for argument in arguments]
                return _random(f"{function}({values})", p)
            case Bound("sum" | "product", body, variable, lower, upper) if lower is not None and upper is not None:
                return self._series(node, body, variable, lower, upper)
        return self._fraction(exact_value(node))

    def _fraction(self, value: Fraction) -> int:
        if value.denominator == 1:
            return value.numerator % self._p
        if value.denominator % self._p == 0:
            raise Undefined("division by zero")
        return value.numerator * pow(value.denominator, -1, self._p) % self._p

    def _power(self, base: Node, exponent: Node) -> int:
        power = exponent.value if isinstance(exponent, Number) else exact_value(exponent)
        if power.denominator == 1:
            value = self.value(base)
            if value == 0 and power <= 0:
                raise Undefined("a power of zero")
            return pow(value, power.numerator % (self._p - 1), self._p) if value else 0
        if power.denominator != 2:
            return self._fraction(exact_value(Pow(base, Number(power))))
        root = self._root_of(exact_value(base))
        if root == 0 and power < 0:
            raise Undefined("a power of zero")
        return pow(root, power.numerator, self._p)

    def _root_of(self, radicand: Fraction) -> int:
        """The square root of a rational, as the product of those of its primes."""
        p, rest = self._p, radicand.numerator * radicand.denominator
        root = 1
        if rest < 0:
            rest, root = -rest, _square_root(-1, p)
        for prime in _SMALL_PRIMES:
            if rest < prime:
                break
            while rest % prime == 0:
                rest //= prime
                root = root * _square_root(prime, p) % p
        whole = math.isqrt(rest)
        if whole * whole != rest:
            raise Unevaluated("a root of a large prime")
        return root * whole % p * pow(radicand.denominator, -1, p) % p

    def _binomial(self, node: Node, n: Node, k: Node) -> int:
        chosen = exact_value(k)
        if chosen.denominator != 1 or not 0 <= chosen <= 200:
            return self._fraction(exact_value(node))
        first = self.value(n)
        falling = math.prod((first - step) % self._p for step in range(int(chosen)))
        return falling * pow(math.factorial(int(chosen)), -1, self._p) % self._p

    def _series(self, node: Bound, body: Node, variable: str, lower: Node, upper: Node) -> int:
        first, last = exact_value(lower), exact_value(upper)
        if first.denominator != 1 or last.denominator != 1 or last - first > MAX_TERMS:
            raise Unevaluated("a long series")
        terms = (
            _Field(self._p, {**self._variables, variable: index % self._p}, self._left).value(body)
            for index in range(int(first), int(last) + 1)
        )
        if node.operator == "sum":
            return sum(terms) % self._p
        result = 1
        for term in terms:
            result = result * term % self._p
        return result

    def _determinant(self, rows: list[list[int]]) -> int:
        p, result = self._p, 1
        for at in range(len(rows)):
            pivot = next((row for row in range(at, len(rows)) if rows[row][at]), None)
            if pivot is None:
                return 0
            if pivot != at:
                rows[at], rows[pivot] = rows[pivot], rows[at]
                result = -result
            result = result * rows[at][at] % p
            inverse = pow(rows[at][at], -1, p)
            for row in range(at + 1, len(rows)):
                factor = rows[row][at] * inverse % p
                rows[row] = [(cell - factor * above) % p for cell, above in zip(rows[row], rows[at], strict=True)]
        return result % p


@lru_cache(maxsize=4096)
def _random(name: str, modulus: int) -> int:
    """A residue that is fixed for each name."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16, key=str(modulus).encode()).digest()
    return int.from_bytes(digest, "big") % modulus


@lru_cache(maxsize=256)
def _square_root(value: int, p: int) -> int:
    """A square root modulo `p` of a number that has one: Tonelli and Shanks."""
    odd, twos = p - 1, 0
    while odd % 2 == 0:
        odd //= 2
        twos += 1
    other = next(n for n in range(2, p) if pow(n, (p - 1) // 2, p) == p - 1)
    generator, root, rest = pow(other, odd, p), pow(value, (odd + 1) // 2, p), pow(value, odd, p)
    while rest != 1:
        order, square = 0, rest
        while square != 1:
            square = square * square % p
            order += 1
        step = pow(generator, 1 << (twos - order - 1), p)
        root, generator, twos = root * step % p, step * step % p, order
        rest = rest * generator % p
    return root
