"""Whether two expressions have the same value: exact, modular, numeric, and at last symbolic tests, cheapest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from skillforge_math_grader.effort import effort
from skillforge_math_grader.exact import Undefined, Unevaluated, exact_value
from skillforge_math_grader.finding import Finding, stage
from skillforge_math_grader.modular import PRIMES, residue
from skillforge_math_grader.numeric import DIGITS, POINTS, REAL_POINTS, WHOLE_POINTS, Evaluator
from skillforge_math_grader.tree import (
    PI,
    Add,
    Apply,
    Bound,
    Constant,
    E,
    Group,
    Matrix,
    Mul,
    Node,
    Number,
    Pow,
    Quantity,
    Symbol,
    walk,
    with_children,
)

_ARITHMETIC = (Number, Symbol, Constant, Add, Mul, Pow, Apply, Bound, Quantity, Matrix)
ENOUGH_POINTS = 5
"""Points at which both sides are defined, before they count as equal."""


def compare_values(first: Node, second: Node) -> Finding:
    """Compare two expressions, in the domain that they share, with real variables."""
    if first == second:
        return Finding(True, "identical", "the same expression")
    if "E" in symbols(first) | symbols(second) and _is_sympys_e(first, second):
        first, second = substitute(first, {"E": E}), substitute(second, {"E": E})
    if symbols(first) != symbols(second):
        first, second = _with_names_of(second, first), _with_names_of(first, second)
        if symbols(first) != symbols(second) and not (_has_bound(first) or _has_bound(second)):
            finding = _compare_different_variables(first, second)
            if finding is not None:
                return finding
    return _compare_exactly(first, second) or _compare_modular(first, second) or _compare_further(first, second)


@stage("numbers")
def _compare_exactly(first: Node, second: Node) -> Finding | None:
    try:
        one, two = _exact(first), _exact(second)
    except Undefined:
        return Finding(False, "numbers", "one side has no value")
    except Unevaluated:
        return None
    return Finding(one == two, "numbers", "equal numbers" if one == two else "different numbers")


@stage("modular")
def _compare_modular(first: Node, second: Node) -> Finding | None:
    try:
        for prime in PRIMES:
            if _residue(first, prime) != _residue(second, prime):
                return Finding(False, "modular", "different values in a finite field")
    except (Unevaluated, RecursionError):
        return None
    return Finding(True, "modular", "equal values at random points of finite fields")


def _compare_further(first: Node, second: Node) -> Finding:
    try:
        finding = _compare_numerically(first, second)
    except RecursionError:
        return Finding(None, "numeric", "nested too deep")
    if finding.equal is None and (_has_bound(first) or _has_bound(second)):
        return _compare_symbolically(first, second)
    return finding


@stage("sympy")
def _compare_symbolically(first: Node, second: Node) -> Finding:
    from skillforge_math_grader.worker import symbolically_equal  # its process is started for the first who asks

    left = effort()
    decided, seconds = symbolically_equal(first, second, left.symbolic_seconds)
    left.symbolic_seconds -= seconds
    return Finding(decided, "sympy", {True: "equal", False: "different", None: "undecided within its limits"}[decided])


@stage("numeric")
def _compare_numerically(first: Node, second: Node) -> Finding:
    agreed, complex_allowed = 0, _has_i(first) or _has_i(second)
    constant = not symbols(first) and not symbols(second)
    real = not complex_allowed and not constant
    reason = "no point at which both sides have a value"
    for point in range(1 if constant else REAL_POINTS + WHOLE_POINTS):
        if point == REAL_POINTS and agreed >= 2:
            break
        try:
            one, two = _evaluate(first, point, real), _evaluate(second, point, real)
        except Unevaluated as error:
            reason = str(error) or reason
            continue
        if real and (_is_complex(one) or _is_complex(two)):
            continue
        if not _close(one, two) and not _is_noise(one - two, first, second, point, real):
            return Finding(False, "numeric", "different values at a random point")
        agreed += 1
        if agreed >= ENOUGH_POINTS:
            break
    if constant and agreed and not _agree_further(first, second):
        return Finding(False, "numeric", "equal to many digits, but not to all")
    if agreed and (constant or agreed >= 2):
        return Finding(True, "numeric", f"equal to {DIGITS - 20} digits")
    return Finding(None, "numeric", reason)


def _agree_further(first: Node, second: Node) -> bool:
    """Whether two constants agree to three times the digits too: `\\sqrt{10^{100}+1}` is close to 10^50."""
    evaluator = Evaluator(0, 5 * DIGITS)  # some are lost where large numbers cancel out
    try:
        one, two = evaluator.value(first), evaluator.value(second)
        if abs(one - two) <= max(abs(one), abs(two)) * evaluator.rounding(3 * DIGITS):
            return True
        further = Evaluator(0, 8 * DIGITS)  # what is left of sin(pi) goes away with more digits
        return bool(abs(further.value(first) - further.value(second)) <= abs(one - two) * evaluator.rounding(DIGITS))
    except Unevaluated:
        return True


def _is_noise(difference: Any, first: Node, second: Node, point: int, real: bool) -> bool:
    """Whether the difference goes away with more digits: both sides may be small remainders of large numbers."""
    more = Evaluator(point, 5 * DIGITS, real)
    try:
        precise = more.value(first) - more.value(second)
    except Unevaluated:
        return False
    return bool(abs(precise) <= abs(difference) * 10 ** -(DIGITS // 3))


def _with_names_of(other: Node, node: Node) -> Node:
    """`node` with a constant of integration, or a whole number beside pi, named as `other` names it."""
    lacking, more = symbols(node) - symbols(other), symbols(other) - symbols(node)
    if len(lacking) == len(more) == 1 and lacking | more <= {"k", "m", "n"} and _has_pi(node) and _has_pi(other):
        node = substitute(node, {min(lacking): Symbol(min(lacking | more))})  # any whole number: k pi and n pi
    if lacking == {"c"} and more == {"C"}:
        node = substitute(node, {"c": Symbol("C")})
    return node


def _is_sympys_e(first: Node, second: Node) -> bool:
    """Whether `E` is the number that sympy writes so: one side has no `E`, or one has the number in another spelling."""
    if "E" not in symbols(first) & symbols(second):
        return True
    return any(part == E for node in (first, second) for part in walk(node))


def _compare_different_variables(first: Node, second: Node) -> Finding | None:
    """Expressions in other variables are different unless those cancel out."""
    only = symbols(first) ^ symbols(second)
    for node in (first, second):
        names = only & symbols(node)
        if names and _depends_on(node, names):
            return Finding(False, "modular", f"only one side depends on {', '.join(sorted(names))}")
    return None


def _depends_on(node: Node, names: Iterable[str]) -> bool:
    """Whether the value changes with the variables; where that cannot be seen, it does."""
    other = substitute(node, {name: Symbol(name + "\x00") for name in names})
    finding = _compare_modular(node, other) or _compare_numerically(node, other)
    return finding.equal is not True


def substitute(node: Node, values: Mapping[str, Node]) -> Node:
    """`node` with the variables replaced that have a value."""
    if isinstance(node, Symbol):
        return values.get(node.name, node)
    return with_children(node, lambda child: substitute(child, values))


def real_value(node: Node, digits: int = DIGITS) -> Any | None:
    """A constant's value as a real number (an mpf), or None."""
    if symbols(node):
        return None
    try:
        value = _evaluate(node, 0) if digits == DIGITS else Evaluator(0, digits).value(node)
    except (Unevaluated, RecursionError):
        return None
    return None if _is_complex(value) else getattr(value, "real", value)


def rational_value(node: Node) -> Fraction | None:
    """A constant's value where it is a fraction of bounded size, or None."""
    try:
        return _exact(node)
    except (Unevaluated, RecursionError):
        return None


def fingerprint(node: Node) -> tuple[object, ...]:
    """Hashable; equal for expressions that compare equal, but for rare ones that are told apart."""
    if isinstance(node, Group) and node.opening != "{":
        marks = [fingerprint(item) for item in node.items]
        return ("tree", node) if any(mark[0] == "tree" for mark in marks) else (node.opening, *marks, node.closing)
    try:
        return ("modular", _residue(node, PRIMES[0]))
    except (Unevaluated, RecursionError):
        pass
    values = []
    for point in range(len(POINTS)):
        try:
            value = _evaluate(node, point)
        except (Unevaluated, RecursionError):
            continue
        if not _is_complex(value) or _has_i(node):
            values.append((point, Evaluator(point).rounded(value, DIGITS // 2)))
    return ("numeric", tuple(values)) if values else ("tree", node)


def forget() -> None:
    """Let go of what was computed for a pair: trees of hostile texts are large, and hardly any is seen again."""
    for cached in (symbols, _exact, _residue, _evaluate):
        cached.cache_clear()


@lru_cache(maxsize=2048)
def symbols(node: Node) -> frozenset[str]:
    """The free variables."""
    found = {part.name for part in walk(node) if isinstance(part, Symbol)}
    return frozenset(found - {part.variable for part in walk(node) if isinstance(part, Bound)})


@lru_cache(maxsize=2048)
def _exact(node: Node) -> Fraction:
    return exact_value(node)


@lru_cache(maxsize=4096)
def _residue(node: Node, prime: int) -> int:
    return residue(node, prime)


@lru_cache(maxsize=2048)
def _evaluate(node: Node, point: int, real: bool = False) -> Any:
    return Evaluator(point, DIGITS, real).value(node)


def _is_complex(value: Any) -> bool:
    imaginary = getattr(value, "imag", 0)
    return bool(imaginary) and abs(imaginary) > abs(value) * 10 ** -(DIGITS // 2)


def _close(one: Any, two: Any) -> bool:
    return bool(abs(one - two) <= max(abs(one), abs(two)) * 10 ** -(DIGITS - 20))


def _has_pi(node: Node) -> bool:
    return any(part == PI for part in walk(node))


def _has_i(node: Node) -> bool:
    return any(isinstance(part, Constant) and part.name == "i" for part in walk(node))


def _has_bound(node: Node) -> bool:
    return any(isinstance(part, Bound) for part in walk(node))


def is_arithmetic(node: Node) -> bool:
    """Whether `node` is an expression with a value, made of nothing that is compared in another way."""
    return all(isinstance(part, _ARITHMETIC) for part in walk(node))


def proportional(first: Node, second: Node, positive: bool = False) -> Finding:
    """Whether one expression is a constant multiple (above zero, if `positive`) of the other."""
    if symbols(first) != symbols(second) or not symbols(first):
        return Finding(False, "equation", "different variables, or none")
    ratios = []
    for point in range(len(POINTS)):
        try:
            one, two = _evaluate(first, point), _evaluate(second, point)
        except (Unevaluated, RecursionError):
            continue
        if _is_complex(one) or _is_complex(two) or not one or not two:
            continue
        ratios.append(one / two)
        if not _close(ratios[0], ratios[-1]):
            return Finding(False, "equation", "not multiples of each other")
    if len(ratios) < 3:
        return Finding(None, "equation", "too few points at which both sides have a value")
    if positive and ratios[0].real < 0:
        return Finding(False, "equation", "the other sense")
    return Finding(True, "equation", "multiples of each other")
