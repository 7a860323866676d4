"""Answers with plus-minus signs, as all the values that they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from skillforge_math_grader.finding import Finding
from skillforge_math_grader.tree import MINUS_ONE, Group, Mul, Node, PlusMinus, walk, with_children

if TYPE_CHECKING:
    from skillforge_math_grader.comparing.comparison import Comparison


MAX_SIGNS = 4
"""Signs that are carried out: 2^4 values."""


def compare_signed(comparison: Comparison, a: Node, b: Node) -> Finding:
    one, two = _signed(a), _signed(b)
    if one is None or two is None:
        return Finding(None, "plus-minus", "more signs than are carried out")
    return comparison.in_any_order(comparison.distinct(one), comparison.distinct(two))


def has_sign(node: Node) -> bool:
    return any(isinstance(part, PlusMinus) for part in walk(node))


def _signed(node: Node) -> list[Node] | None:
    """Every value of a node with plus-minus signs in it."""
    if isinstance(node, Group) and node.opening in ("", "{"):
        parts = [_signed(item) for item in node.items]
        return None if any(part is None for part in parts) else [value for part in parts if part for value in part]
    signs = [part for part in walk(node) if isinstance(part, PlusMinus)]
    if any(sign.flipped for sign in signs):
        return [_with_signs(node, iter([sign] * len(signs))) for sign in (1, -1)]
    if len(signs) > MAX_SIGNS:
        return None
    return [_with_signs(node, iter(choice)) for choice in product((1, -1), repeat=len(signs))]


def _with_signs(node: Node, signs: Iterator[int]) -> Node:
    if isinstance(node, PlusMinus):
        sign = next(signs) * (-1 if node.flipped else 1)
        term = _with_signs(node.term, signs)
        return term if sign > 0 else Mul((MINUS_ONE, term))
    return with_children(node, lambda child: _with_signs(child, signs))
