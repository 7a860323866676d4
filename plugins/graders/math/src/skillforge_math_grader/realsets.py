"""Sets of real numbers: intervals, inequalities, unions, all of the line but a few points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from skillforge_math_grader.identity import compare_values, real_value
from skillforge_math_grader.tree import (
    INFINITY,
    Apply,
    Group,
    Node,
    PlusMinus,
    Relation,
    SetExpression,
    Symbol,
    negated,
)
from skillforge_math_grader.vocabulary import KNOWN_FUNCTIONS

MAX_PIECES = 200
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Piece(NamedTuple):
    """An interval: its ends, whether they belong to it, and where they lie (None where that is not known)."""

    low: Node
    low_closed: bool
    high: Node
    high_closed: bool
    place: tuple[Any, Any] | None


class RealSet(NamedTuple):
    """A union of intervals, and the name of the variable that they are said of."""

    pieces: tuple[Piece, ...]
    variable: str | None = None


class Shapeless(Exception):
    """The node is no set of real numbers that can be read."""


def real_set(node: Node) -> RealSet:
    """The set that an interval, an inequality or a union of them is. Raises Shapeless."""
    match node:
        case Group("(" | "[" as opening, (low, high), (")" | "]") as closing):
            return RealSet((_piece(low, opening == "[", high, closing == "]"),))
        case Group("{", items, "}"):
            return RealSet(tuple(_piece(item, True, item, True) for item in items[:MAX_PIECES]))
        case Group("", (Relation((Symbol(), _), ("!=",)) as first, *rest), "") if not any(
            isinstance(item, Relation) for item in rest
        ):  # x != 1, 2
            others = [Relation((first.operands[0], item), ("!=",)) for item in rest]
            return _intersection([real_set(item) for item in (first, *others)])
        case Group("", items, ""):
            sets = [real_set(item) for item in items]
            both = _intersection(sets)
            return both if both.pieces else _union(sets)
        case Relation((Symbol() as name, PlusMinus(term)), ("!=",)):
            return _intersection([_of_relation(Relation((name, end), ("!=",))) for end in (term, negated(term))])
        case Symbol("mathbb R"):
            return RealSet((_piece(negated(INFINITY), False, INFINITY, False),))
        case Relation((Symbol(name), inner), ("in",)):
            return real_set(inner)._replace(variable=name)
        case Relation():
            return _of_relation(node)
        case SetExpression("union", operands):
            return _union([real_set(operand) for operand in operands])
        case SetExpression("intersection", operands):
            return _intersection([real_set(operand) for operand in operands])
        case SetExpression("difference", (whole, *taken)):
            return _intersection([real_set(whole), *(_complement(real_set(part)) for part in taken)])
    raise Shapeless


def same_set(first: RealSet, second: RealSet) -> bool | None:
    """Whether two sets are equal; None where ends cannot be ordered."""
    if first.variable and second.variable and first.variable != second.variable:
        return False
    one, two = _merged(first.pieces), _merged(second.pieces)
    if one is None or two is None:
        one, two = list(first.pieces), list(second.pieces)
        if len(one) != 1 or len(two) != 1:
            return None
    if len(one) != len(two):
        return False
    return all(_same_piece(a, b) for a, b in zip(one, two, strict=True))


def _same_piece(a: Piece, b: Piece) -> bool:
    if (a.low_closed, a.high_closed) != (b.low_closed, b.high_closed):
        return False
    return _same_end(a.low, b.low) and _same_end(a.high, b.high)


def _same_end(a: Node, b: Node) -> bool:
    if _infinite(a) or _infinite(b):
        return _infinite(a) == _infinite(b)
    return compare_values(a, b).equal is True


def _infinite(node: Node) -> int:
    """1 or -1 for an infinite end, else 0."""
    if node == INFINITY:
        return 1
    return -1 if node == negated(INFINITY) else 0


def _piece(low: Node, low_closed: bool, high: Node, high_closed: bool) -> Piece:
    one, two = _place(low), _place(high)
    place = (one, two) if one is not None and two is not None else None
    return Piece(low, low_closed and not _infinite(low), high, high_closed and not _infinite(high), place)


def _place(node: Node) -> Any | None:
    sign = _infinite(node)
    return sign * float("inf") if sign else real_value(node)


def _of_relation(node: Relation) -> RealSet:
    """`x > 2`, `0 < x < 1`, `x != 3`, `|x| < 3`."""
    at = [index for index, operand in enumerate(node.operands) if _variable(operand) is not None]
    if len(node.operands) == 3 and 1 in at:  # a < x < b
        at = [1]
    if len(at) != 1 or len(node.operands) > 3:
        raise Shapeless
    variable, inner = at[0], node.operands[at[0]]
    bounds: list[tuple[str, Node]] = []
    if variable > 0:
        bounds.append(
            (_FLIPPED.get(node.operators[variable - 1], node.operators[variable - 1]), node.operands[variable - 1])
        )
    if variable < len(node.operators):
        bounds.append((node.operators[variable], node.operands[variable + 1]))
    if len(bounds) != len(node.operators):
        raise Shapeless
    absolute = isinstance(inner, Apply) and inner.function == "abs"
    sets = [_of_bound(operator, bound, absolute) for operator, bound in bounds]
    return _intersection(sets)._replace(variable=_variable(inner))


def _variable(node: Node) -> str | None:
    if isinstance(node, Symbol):
        return node.name
    if isinstance(node, Apply) and node.function not in KNOWN_FUNCTIONS:
        return node.function
    if isinstance(node, Apply) and node.function == "abs" and isinstance(node.arguments[0], Symbol):
        return node.arguments[0].name
    return None


def _of_bound(operator: str, bound: Node, absolute: bool) -> RealSet:
    bottom, top = negated(INFINITY), INFINITY
    closed = operator.endswith("=")
    if absolute:
        if operator in ("<", "<="):
            return RealSet((_piece(negated(bound), closed, bound, closed),))
        if operator in (">", ">="):
            return RealSet((_piece(bottom, False, negated(bound), closed), _piece(bound, closed, top, False)))
        raise Shapeless
    if operator in ("<", "<="):
        return RealSet((_piece(bottom, False, bound, closed),))
    if operator in (">", ">="):
        return RealSet((_piece(bound, closed, top, False),))
    if operator == "=":
        return RealSet((_piece(bound, True, bound, True),))
    if operator == "!=":
        return RealSet((_piece(bottom, False, bound, False), _piece(bound, False, top, False)))
    raise Shapeless


def _common_variable(sets: Sequence[RealSet]) -> str | None:
    names = {one.variable for one in sets if one.variable}
    if len(names) > 1:
        raise Shapeless
    return names.pop() if names else None


def _union(sets: Sequence[RealSet]) -> RealSet:
    pieces = tuple(piece for one in sets for piece in one.pieces)
    if len(pieces) > MAX_PIECES:
        raise Shapeless
    return RealSet(pieces, _common_variable(sets))


def _intersection(sets: Sequence[RealSet]) -> RealSet:
    variable = _common_variable(sets)
    pieces = list(sets[0].pieces)
    for other in sets[1:]:
        if len(pieces) * len(other.pieces) > MAX_PIECES:
            raise Shapeless
        pieces = [both for one in pieces for two in other.pieces if (both := _overlap(one, two)) is not None]
    return RealSet(tuple(pieces), variable)


def _overlap(one: Piece, two: Piece) -> Piece | None:
    if one.place is None or two.place is None:
        # Half-lines meet in an interval though nobody knows where their ends lie.
        low = two if _infinite(one.low) else one
        high = two if _infinite(one.high) else one
        if not ((_infinite(one.low) or _infinite(two.low)) and (_infinite(one.high) or _infinite(two.high))):
            raise Shapeless
        return _piece(low.low, low.low_closed, high.high, high.high_closed)
    low = max(one, two, key=lambda piece: (piece.place[0], not piece.low_closed))  # type: ignore[index]
    high = min(one, two, key=lambda piece: (piece.place[1], piece.high_closed))  # type: ignore[index]
    place = (low.place[0], high.place[1])  # type: ignore[index]
    if place[0] > place[1] or (place[0] == place[1] and not (low.low_closed and high.high_closed)):
        return None
    return Piece(low.low, low.low_closed, high.high, high.high_closed, place)


def _complement(given: RealSet) -> RealSet:
    pieces = _merged(given.pieces)
    if pieces is None:
        raise Shapeless
    rest: list[Piece] = []
    low, low_closed = negated(INFINITY), False
    for piece in pieces:
        if not (_infinite(low) < 0 and _infinite(piece.low) < 0):
            rest.append(_piece(low, low_closed, piece.low, not piece.low_closed))
        low, low_closed = piece.high, not piece.high_closed
    if not _infinite(low) > 0:
        rest.append(_piece(low, low_closed, INFINITY, False))
    return RealSet(tuple(rest), given.variable)


def _merged(pieces: Sequence[Piece]) -> list[Piece] | None:
    """Sorted, with those that touch made one; None where an end is not known."""
    if any(piece.place is None for piece in pieces):
        return None
    merged: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.place[0], not piece.low_closed)):  # type: ignore[index]
        low, high = piece.place  # type: ignore[misc]
        if low > high or (low == high and not (piece.low_closed and piece.high_closed)):
            continue
        if merged and _touches(merged[-1], piece):
            last = merged[-1]
            further = max(last, piece, key=lambda one: (one.place[1], one.high_closed))  # type: ignore[index]
            place = (last.place[0], further.place[1])  # type: ignore[index]
            merged[-1] = Piece(last.low, last.low_closed, further.high, further.high_closed, place)
        else:
            merged.append(piece)
    return merged


def _touches(last: Piece, piece: Piece) -> bool:
    end, start = last.place[1], piece.place[0]  # type: ignore[index]
    return bool(start < end or (start == end and (last.high_closed or piece.low_closed)))
