"""The printed forms of sympy and Python: `Matrix([[1, 2]])`, `Interval(0, 1)`, `Rational(1, 2)`."""

from __future__ import annotations

from collections.abc import Callable

from skillforge_math_grader.parsing.functions import Functions
from skillforge_math_grader.tokens import Unreadable
from skillforge_math_grader.tree import Group, Matrix, Mul, Node, Relation, SetExpression, Symbol, reciprocal


def _matrix_of(parser: Functions) -> Node:
    (inner,) = parser._arguments()
    rows = inner.items if isinstance(inner, Group) else ()
    if rows and all(isinstance(row, Group) for row in rows):
        cells = tuple(row.items for row in rows if isinstance(row, Group))
    else:
        cells = tuple((row,) for row in rows)
    if not cells or len({len(row) for row in cells}) != 1:
        raise Unreadable("a crooked matrix")
    return Matrix(cells)


def _interval_of(left_open: bool, right_open: bool) -> Callable[[Functions], Node]:
    def read(parser: Functions) -> Node:
        arguments = parser._arguments()
        flags = [isinstance(flag, Symbol) and flag.name == "True" for flag in arguments[2:]]
        if len(arguments) < 2:
            raise Unreadable("an interval with one end")
        opens = (left_open or flags[:1] == [True]), (right_open or flags[1:2] == [True])
        return Group("(" if opens[0] else "[", arguments[:2], ")" if opens[1] else "]")

    return read


def _group_of(opening: str, closing: str) -> Callable[[Functions], Node]:
    return lambda parser: Group(opening, parser._arguments(), closing)


def _relation_of(operator: str) -> Callable[[Functions], Node]:
    def read(parser: Functions) -> Node:
        arguments = parser._arguments()
        if len(arguments) != 2:
            raise Unreadable("a relation without two sides")
        return Relation(arguments, (operator,))

    return read


def _rational_of(parser: Functions) -> Node:
    arguments = parser._arguments()
    return Mul((arguments[0], reciprocal(arguments[1]))) if len(arguments) == 2 else arguments[0]


def _union_of(parser: Functions) -> Node:
    return SetExpression("union", parser._arguments())


CONSTRUCTORS: dict[str, Callable[[Functions], Node]] = {
    "Matrix": _matrix_of,
    "Interval": _interval_of(False, False),
    "Intervalopen": _interval_of(True, True),
    "IntervalLopen": _interval_of(True, False),
    "IntervalRopen": _interval_of(False, True),
    "FiniteSet": _group_of("{", "}"),
    "Tuple": _group_of("(", ")"),
    "Point": _group_of("(", ")"),
    "Union": _union_of,
    "Rational": _rational_of,
    "Fraction": _rational_of,
    "Eq": _relation_of("="),
    "Ne": _relation_of("!="),
    "Integer": _rational_of,
}
