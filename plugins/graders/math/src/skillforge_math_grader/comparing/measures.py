"""Numerals in a base, quantities with units, and ratios."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from skillforge_math_grader.finding import Finding
from skillforge_math_grader.identity import is_arithmetic, rational_value
from skillforge_math_grader.tree import (
    PI,
    Apply,
    Based,
    Group,
    Matrix,
    Mul,
    Node,
    Number,
    Quantity,
    Ratio,
    Relation,
    SetExpression,
    Symbol,
    letters,
    walk,
)
from skillforge_math_grader.units import convertible, find_unit

if TYPE_CHECKING:
    from skillforge_math_grader.comparing.comparison import Comparison


_NO_UNITS = re.compile(
    r"(?i)\b(?:not|wrong|incorrect|false|undefined|below|too|at (?:most|least)|loss|lakh|crore|mil|score|gross|pi|squared|cubed"
    r"|times|percent of)\b"
)
"""Words after a number that change what it says."""


_CONTRARY = tuple(
    frozenset(words.split())
    for words in (
        "increase decrease", "profit loss", "gain loss", "north south east west", "left right", "up down", "early late",
        "clockwise counterclockwise", "ago later", "bc ad", "bce ce", "positive negative", "above below", "wins losses",
        "rows columns", "before after", "more fewer less", "n s", "e w",
    )
)  # fmt: skip


def compare_numerals(comparison: Comparison, a: Node, b: Node) -> Finding | None:
    if isinstance(a, Based) and isinstance(b, Based):
        if a.base == b.base:
            return Finding(_significant(a.digits) == _significant(b.digits), "base", "digits in the same base")
        one, two = _value_in_base(a), _value_in_base(b)
        return Finding(one is not None and one == two, "base", "numerals in different bases")
    numeral, other = (a, b) if isinstance(a, Based) else (b, a)
    assert isinstance(numeral, Based)
    if isinstance(other, Relation):
        return None
    written = letters(other)
    if written is None or not comparison.policy.missing_units:
        return Finding(False, "base", "a numeral in a base, and something else")
    return Finding(
        _significant(written.upper()) == _significant(numeral.digits), "base", "the base is left out on one side"
    )


def compare_quantities(comparison: Comparison, a: Node, b: Node) -> Finding | None:
    if isinstance(a, Relation) or isinstance(b, Relation) or _is_list(a) or _is_list(b):
        return None
    if isinstance(a, Based) or isinstance(b, Based):
        return Finding(False, "base", "a numeral in a base, and a quantity")
    (one, unit_a), (two, unit_b) = _measure(a), _measure(b)
    if unit_a and unit_b:
        return _same_units(comparison, one, unit_a, two, unit_b)
    unit = unit_a or unit_b
    measured, bare = (one, two) if unit_a else (two, one)
    if unit and (product := _without_factor(bare, unit)) is not None:  # 5m is a length beside 5 \text{ m}
        return comparison.nodes(measured, product)
    if unit == "degree" and any(part == PI or _is_angle(part) for part in walk(bare)):
        return comparison.nodes(_radians(measured), bare)
    if not comparison.policy.missing_units or (unit and _NO_UNITS.search(unit)):
        return Finding(False, "units", "a unit on one side only")
    if unit and unit.startswith("mod "):
        return _congruent(one, two, unit)
    finding = comparison.nodes(one, two)
    if finding.equal is True:
        return finding._replace(reason=f"{finding.reason}; the unit is left out on one side")
    if _is_percent(unit) and comparison.policy.percent_as_fraction:
        share = comparison.nodes(_hundredth(one) if unit_a else one, _hundredth(two) if unit_b else two)
        if share.equal is True:
            return share._replace(reason=f"{share.reason}; percent as a fraction")
    return finding


def _same_units(comparison: Comparison, one: Node, unit_a: str, two: Node, unit_b: str) -> Finding:
    if unit_a == unit_b and unit_a.startswith("mod "):
        return _congruent(one, two, unit_a)
    if unit_a == unit_b or (_is_percent(unit_a) and _is_percent(unit_b)):
        return comparison.nodes(one, two)
    if {unit_a, unit_b} <= {"degree", "radians", "rad", "radian", "degrees", "deg", "°"}:
        radians_a = _radians(one) if unit_a.startswith(("deg", "°")) else one
        radians_b = _radians(two) if unit_b.startswith(("deg", "°")) else two
        return comparison.nodes(radians_a, radians_b)
    if unit_a.startswith("mod ") or unit_b.startswith("mod "):
        return Finding(False, "units", "different moduli")
    known_a, known_b = find_unit(unit_a, explicit=True), find_unit(unit_b, explicit=True)
    if _are_contrary(unit_a, unit_b):
        return Finding(False, "units", f"{unit_a} and {unit_b} are contrary")
    if known_a is None or known_b is None:
        finding = comparison.nodes(one, two)
        return finding._replace(reason=f"{finding.reason}; the units are not in the table")
    factor = convertible(known_a, known_b)
    if factor is None:
        return Finding(False, "units", f"{unit_a} and {unit_b} measure different things")
    return comparison.nodes(one if factor == 1 else Mul((one, Number(factor))), two)


def _are_contrary(one: str, two: str) -> bool:
    """`5 km north` and `5 km south`."""
    words_a, words_b = set(one.lower().split()), set(two.lower().split())
    return any((words_a & pair) and (words_b & pair) and (words_a & pair) != (words_b & pair) for pair in _CONTRARY)


def _congruent(one: Node, two: Node, modulus: str) -> Finding:
    a, b = rational_value(one), rational_value(two)
    if a is None or b is None:
        return Finding(None, "units", "remainders that are no numbers")
    return Finding((a - b) % Fraction(modulus.removeprefix("mod ")) == 0, "units", "remainders of one modulus")


def compare_ratios(comparison: Comparison, a: Node, b: Node) -> Finding | None:
    if isinstance(a, Relation) or isinstance(b, Relation):
        return None
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        if len(a.items) != len(b.items):
            return Finding(False, "ratio", "ratios of different lengths")
        pairs = zip(a.items[1:], b.items[1:], strict=True)
        crossed = [(Mul((a.items[0], y)), Mul((b.items[0], x))) for x, y in pairs]
        return comparison.all([comparison.nodes(x, y) for x, y in crossed], "ratio", "the same ratio")
    ratio, other = (a, b) if isinstance(a, Ratio) else (b, a)
    assert isinstance(ratio, Ratio)
    if len(ratio.items) != 2 or not is_arithmetic(other):
        return Finding(False, "ratio", "a ratio and something else")
    finding = comparison.nodes(ratio.items[0], Mul((other, ratio.items[1])))
    return finding._replace(stage="ratio")


def _is_list(node: Node) -> bool:
    return isinstance(node, Group | SetExpression | Matrix)


def _measure(node: Node) -> tuple[Node, str | None]:
    return (node.value, node.unit) if isinstance(node, Quantity) else (node, None)


def _is_percent(unit: str | None) -> bool:
    return unit is not None and unit.lower().replace(" ", "") in ("%", "percent", "percentage")


def _hundredth(node: Node) -> Node:
    if isinstance(node, Number):
        return Number(node.value / 100, None if node.places is None else node.places + 2)
    return Mul((node, Number(Fraction(1, 100))))


def _radians(node: Node) -> Node:
    return Mul((node, PI, Number(Fraction(1, 180))))


def _without_factor(node: Node, unit: str) -> Node | None:
    if isinstance(node, Mul) and len(node.factors) > 1 and _is_unit(node.factors[-1], unit):
        return Mul(node.factors[:-1]) if len(node.factors) > 2 else node.factors[0]
    return None


def _significant(digits: str) -> str:
    sign = "-" if digits.startswith("-") else ""
    return sign + (digits.removeprefix("-").lstrip("0") or "0")


def _is_angle(node: Node) -> bool:
    return isinstance(node, Apply) and node.function.startswith("arc")


def _is_unit(factor: Node, unit: str) -> bool:
    """Whether a letter is the unit, or another sign of it."""
    if not isinstance(factor, Symbol):
        return False
    one, two = find_unit(factor.name, explicit=True), find_unit(unit, explicit=True)
    return factor.name == unit or (one is not None and two is not None and convertible(one, two) == 1)


def _value_in_base(numeral: Based) -> int | None:
    if not 2 <= numeral.base <= 36:
        return None
    try:
        return int(numeral.digits, numeral.base)
    except ValueError:
        return None
