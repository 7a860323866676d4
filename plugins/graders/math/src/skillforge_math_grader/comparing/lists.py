"""Lists, tuples, sets, matrices and vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING

from skillforge_math_grader.comparing.relations import assigned_values
from skillforge_math_grader.finding import Finding
from skillforge_math_grader.identity import is_arithmetic, rational_value, substitute
from skillforge_math_grader.realsets import Shapeless, real_set, same_set
from skillforge_math_grader.tree import Add, Group, Matrix, Mul, Node, Number, Pow, Relation, Symbol, walk

if TYPE_CHECKING:
    from skillforge_math_grader.comparing.comparison import Comparison


MAX_MATRICES = 8
"""Factors of a product of matrices; what symbols multiply out to doubles with each."""

_UNIT_VECTORS = ("vector i", "vector j", "vector k")
Rows = tuple[tuple[Node, ...], ...]
_NUMBER_SETS = (Symbol("mathbb Z"), Symbol("mathbb N"), Symbol("mathbb R"), Symbol("Z"), Symbol("N"))


def compare_groups(comparison: Comparison, a: Node, b: Node) -> Finding:
    if not (isinstance(a, Group) and isinstance(b, Group)):
        group, other = (a, b) if isinstance(a, Group) else (b, a)
        assert isinstance(group, Group)
        items = comparison.distinct(_listed(group))  # "9/4 or 2.25" is one answer
        if len(items) == 1 and group.opening in ("", "{") and comparison.policy.unordered_lists:
            return comparison.nodes(*((items[0], other) if group is a else (other, items[0])))
        if is_arithmetic(other) and (vector := _components(other, len(group.items))) is not None:
            return comparison.nodes(*((group, vector) if group is a else (vector, group)))
        if any(isinstance(part, Matrix) for part in walk(other)):
            return compare_matrices(comparison, a, b) or Finding(False, "matrix", "a matrix and a list")
        return Finding(False, "list", "a list and a single answer")
    for inner, outer in ((a, b), (b, a)):  # a set of one tuple
        if outer.opening == "{" and len(outer.items) == 1 and inner.opening not in ("", "{"):
            return comparison.nodes(*((outer.items[0], b) if outer is a else (a, outer.items[0])))
    brackets_a, brackets_b = (a.opening, a.closing), (b.opening, b.closing)
    loose_a, loose_b = a.opening in ("", "{"), b.opening in ("", "{")
    items_a, items_b = _listed(a), _listed(b)
    if loose_a and loose_b:
        if brackets_a != brackets_b and not comparison.policy.unordered_lists:
            return Finding(False, "list", "a set and a list")
        if brackets_a == brackets_b == ("{", "}"):
            return comparison.in_any_order(comparison.distinct(items_a), comparison.distinct(items_b))
        if not comparison.policy.unordered_lists:
            return comparison.in_order(items_a, items_b)
        if _is_named(items_a) != _is_named(items_b):  # "x = 1, y = 2" and "1, 2": the order says which is which
            return comparison.in_order(items_a, items_b)
        return comparison.in_any_order(items_a, items_b)
    if brackets_a == brackets_b:
        return comparison.in_order(items_a, items_b)
    if loose_a or loose_b:
        if not comparison.policy.unordered_lists or "{" in (a.opening, b.opening):
            return Finding(False, "list", "a tuple and a set")
        opening = b.opening if loose_a else a.opening
        return comparison.in_any_order(items_a, items_b) if opening == "[" else comparison.in_order(items_a, items_b)
    try:
        equal = same_set(real_set(a), real_set(b))
    except Shapeless:
        equal = False
    return Finding(bool(equal), "interval", "different brackets")


def _components(node: Node, dimensions: int) -> Group | None:
    """`2\\mathbf{i} + 3\\mathbf{j}` as (2, 3); None for what has no unit vectors in it."""
    used = [at for at, name in enumerate(_UNIT_VECTORS) if any(part == Symbol(name) for part in walk(node))]
    if not used or used[-1] >= dimensions:
        return None
    return Group("(", tuple(_component(node, at) for at in range(dimensions)), ")")


def _component(node: Node, at: int) -> Node:
    for other, name in enumerate(_UNIT_VECTORS):
        node = substitute(node, {name: Number(Fraction(other == at))})
    return node


def compare_matrices(comparison: Comparison, a: Node, b: Node) -> Finding | None:
    if isinstance(a, Relation) or isinstance(b, Relation):
        return None
    one, two = _rows(a), _rows(b)
    if one is not None and two is None and is_arithmetic(b) and (vector := _components(b, max(len(one), len(one[0])))):
        return compare_matrices(comparison, a, vector)
    if two is not None and one is None and is_arithmetic(a) and (vector := _components(a, max(len(two), len(two[0])))):
        return compare_matrices(comparison, vector, b)
    if one is None or two is None:
        return Finding(False, "matrix", "a matrix and something else")
    if (len(one), len(one[0])) != (len(two), len(two[0])):
        flat_a, flat_b = [cell for row in one for cell in row], [cell for row in two for cell in row]
        vectors = min(len(one), len(one[0])) == min(len(two), len(two[0])) == 1
        tuples = isinstance(a, Group) or isinstance(b, Group)
        if not (vectors and tuples and len(flat_a) == len(flat_b)):
            return Finding(False, "matrix", "matrices of different sizes")
        return comparison.in_order(flat_a, flat_b, "matrix")
    return comparison.in_order([cell for row in one for cell in row], [cell for row in two for cell in row], "matrix")


def _rows(node: Node) -> Rows | None:
    """The rows of a matrix, a vector written as a tuple, or a multiple or sum of these."""
    match node:
        case Matrix(rows):
            return rows
        case Group("", items) if len(items) > 1 and _is_named(items):
            return (
                tuple(
                    assigned[1][-1]
                    for item in items
                    if isinstance(item, Relation) and (assigned := assigned_values(item))
                ),
            )
        case Pow(inner, Symbol("T" | "top" | "mathsf T" | "intercal")) if (rows := _rows(inner)) is not None:
            return tuple(zip(*rows, strict=True))
        case Group("[", (Group(), *_), "]") if all(isinstance(item, Group) and item.items for item in node.items):
            rows = tuple(item.items for item in node.items if isinstance(item, Group))
            return rows if len({len(row) for row in rows}) == 1 else None
        case Group("(" | "[", items, ")" | "]") if items and not any(isinstance(item, Group) for item in items):
            return (items,)
        case Mul(factors):
            scalars = tuple(factor for factor in factors if not isinstance(factor, Matrix | Group))
            matrices = [_rows(factor) for factor in factors if isinstance(factor, Matrix | Group)]
            if len(matrices) > MAX_MATRICES:
                return None
            result = reduce(_product, matrices) if matrices else None
            return result and tuple(tuple(Mul((*scalars, cell)) for cell in row) for row in result)
        case Add(terms):
            parts = [part for term in terms if (part := _rows(term)) is not None]
            if len(parts) < len(terms) or len({(len(part), len(part[0])) for part in parts}) > 1:
                return None
            return tuple(tuple(map(Add, zip(*rows, strict=True))) for rows in zip(*parts, strict=True))
    return None


def _product(one: Rows | None, two: Rows | None) -> Rows | None:
    if one is None or two is None or len(one[0]) != len(two):
        return None
    columns = list(zip(*two, strict=True))
    return tuple(tuple(_folded(Add(tuple(map(_times, row, column)))) for column in columns) for row in one)


def _times(one: Node, two: Node) -> Node:
    return Mul((one, two))


def _folded(cell: Node) -> Node:
    value = rational_value(cell)
    return cell if value is None else Number(value)


def _listed(group: Group) -> Sequence[Node]:
    """The items; of `x = 1, x = 2` and `x = 1, 2` the values, and none of the remarks such as `k \\in \\mathbb{Z}`."""
    items = [item for item in group.items if not _is_remark(item)] or list(group.items)
    first = items[0] if items else None
    if not (isinstance(first, Relation) and len(first.operands) == 2 and (assigned := assigned_values(first))):
        return items
    name = _stem(assigned[0])
    values: list[Node] = []
    for item in items:
        found = assigned_values(item) if isinstance(item, Relation) and len(item.operands) == 2 else None
        if found is None and not (len(values) and not isinstance(item, Relation)):
            return items
        if found is not None and _stem(found[0]) != name:
            return items
        values.append(found[1][0] if found else item)
    return values


def _stem(name: Node) -> Node:
    """`x_1` and `x_2` are one unknown."""
    found = re.fullmatch(r"([a-z])_[0-9]", name.name) if isinstance(name, Symbol) else None
    return Symbol(found[1]) if found else name


def _is_named(items: Sequence[Node]) -> bool:
    return all(isinstance(item, Relation) and assigned_values(item) is not None for item in items)


def _is_remark(item: Node) -> bool:
    return isinstance(item, Relation) and item.operators == ("in",) and item.operands[1] in _NUMBER_SETS
