"""Expressions by their value, and decimals that stand for one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from skillforge_math_grader.finding import Finding
from skillforge_math_grader.identity import compare_values, is_arithmetic, rational_value, real_value
from skillforge_math_grader.tree import Node, Number

if TYPE_CHECKING:
    from skillforge_math_grader.comparing.comparison import Comparison


MIN_PLACES = 3
"""Digits after the point that a rounded value must show: 103.96 says too little of 2807/27."""


def compare_expressions(comparison: Comparison, a: Node, b: Node) -> Finding:
    if not (is_arithmetic(a) and is_arithmetic(b)):
        return Finding(False, "shape", "answers of different shapes")
    finding = compare_values(a, b)
    if finding.equal is False or finding.equal is None:
        return _rounded(comparison, a, b) or finding
    return finding


def _rounded(comparison: Comparison, expected: Node, predicted: Node) -> Finding | None:
    """Whether one side is a decimal that the other, which is none, rounds to."""
    for decimal, value in ((expected, predicted), (predicted, expected)):
        if not (isinstance(decimal, Number) and decimal.places) or _is_decimal(value):
            continue
        digits = _significant_digits(decimal)
        needed = comparison.policy.rounding_digits
        enough = needed is not None and digits >= needed and decimal.places >= MIN_PLACES
        rounded_gold = (
            comparison.policy.rounded_expected and decimal is expected and (decimal.places >= 2 or digits >= 3)
        )
        if not enough and not (rounded_gold and not _terminates(rational_value(value))):
            continue
        if _rounds_to(value, decimal, digits):
            return Finding(True, "rounding", f"rounds to it with {digits} significant digits")
    return None


def _terminates(value: Fraction | None) -> bool:
    """Whether a value can be written as a decimal."""
    if value is None:
        return False
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _is_decimal(node: Node) -> bool:
    """Whether a number is as exact as it is written: a decimal, or whole."""
    return isinstance(node, Number) and (node.places is not None or node.value.denominator == 1)


def _significant_digits(decimal: Number) -> int:
    """How many digits are written from the first that is not zero on."""
    assert decimal.places is not None
    return len(str(abs(decimal.value.numerator) * 10**decimal.places // decimal.value.denominator))


def _rounds_to(value: Node, decimal: Number, digits: int) -> bool:
    """Whether `value` rounds to `decimal`; from 10 digits on the last one may be cut off, or computed with an error."""
    assert decimal.places is not None
    number = real_value(value, max(60, digits + 20)) if digits < 2000 else None
    if number is None:
        return False
    scaled = number * 10**decimal.places
    written = decimal.value * 10**decimal.places
    off = abs(scaled) - abs(int(written))
    if digits >= 10 and not _terminates(rational_value(value)):
        return bool(abs(off) <= 1 and scaled * written >= 0)
    return bool(-0.5 <= off < 0.5 and scaled * written >= 0)
