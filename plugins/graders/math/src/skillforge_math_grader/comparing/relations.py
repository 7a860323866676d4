"""Equations, assignments, inequalities and sets of real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skillforge_math_grader.finding import Finding
from skillforge_math_grader.identity import is_arithmetic, proportional, real_value, substitute, symbols
from skillforge_math_grader.realsets import Shapeless, real_set, same_set
from skillforge_math_grader.tree import (
    MINUS_ONE,
    Add,
    Apply,
    Group,
    Mul,
    Node,
    Number,
    Pow,
    Ratio,
    Relation,
    SetExpression,
    Symbol,
    Text,
    negated,
    walk,
    with_children,
)
from skillforge_math_grader.vocabulary import KNOWN_FUNCTIONS

if TYPE_CHECKING:
    from skillforge_math_grader.comparing.comparison import Comparison


REALS = Symbol("mathbb R")
_EQUALITIES = frozenset("=~")


def compare_relations(comparison: Comparison, a: Node, b: Node) -> Finding | None:
    a, b = _members(a), _members(b)
    kinds = (Relation, SetExpression, Symbol)
    if not (isinstance(a, kinds) or isinstance(b, kinds) or is_condition_list(a) or is_condition_list(b)):
        return comparison.nodes(a, b)
    if _is_condition(a) or _is_condition(b):
        return _conditions(comparison, a, b)
    if (values := _each(a, b)) is not None:
        return comparison.nodes(values, b.operands[-1] if isinstance(b, Relation) else b)
    if (values := _each(b, a)) is not None:
        return comparison.nodes(a.operands[-1] if isinstance(a, Relation) else a, values)
    if isinstance(a, Relation) and isinstance(b, Relation):
        return _equations(comparison, a, b)
    if not (isinstance(a, Relation) or isinstance(b, Relation)):
        return None
    relation, other = (a, b) if isinstance(a, Relation) else (b, a)
    assert isinstance(relation, Relation)
    assigned = assigned_values(relation)
    if assigned is None or not comparison.policy.assignments:
        return Finding(False, "equation", "an equation and something else")
    if isinstance(assigned[0], Text) and not all(_roughly(assigned[1][0], value) for value in assigned[1][1:]):
        return Finding(False, "equation", "the sides of an equation differ")
    findings = [comparison.nodes(*((value, other) if relation is a else (other, value))) for value in assigned[1]]
    return _chain(assigned[1], findings)


def _each(node: Node, other: Node) -> Node | None:
    """`a = b = c = 1` as (1, 1, 1), beside a tuple."""
    match node:
        case Relation((*names, value)) if len(names) > 1 and all(isinstance(name, Symbol) for name in names):
            values = Group("(", (value,) * len(names), ")")
            beside = other.operands[-1] if isinstance(other, Relation) else other
            return values if isinstance(beside, Group) and beside.opening == "(" else None
    return None


def _chain(values: Sequence[Node], findings: list[Finding]) -> Finding:
    """`x = 2 + 3 = 5` is 5: the last link counts, another one only if they agree."""
    best = next((finding for finding in reversed(findings) if finding.equal), findings[-1])
    if best.equal and best is not findings[-1] and not all(_roughly(values[-1], value) for value in values[:-1]):
        return Finding(False, "equation", "the links of the chain differ")
    return best


def _equations(comparison: Comparison, a: Relation, b: Relation) -> Finding:
    if len(a.operands) == len(b.operands) == 2 and all(map(is_arithmetic, (*a.operands, *b.operands))):
        finding = proportional(_difference(a), _difference(b))
        if finding.equal:
            return finding
    one, two = assigned_values(a), assigned_values(b)
    if one is None or two is None or not comparison.policy.assignments:
        return Finding(False, "equation", "equations with different solutions")
    if one[0] == two[0] or isinstance(one[0], Text) or isinstance(two[0], Text):
        return comparison.nodes(one[1][-1], two[1][-1])
    if isinstance(one[0], Apply) and isinstance(two[0], Apply):
        return _functions(comparison, one[0], one[1][-1], two[0], two[1][-1])
    variables = symbols(one[0]) & symbols(two[0])  # f(x) = x + 1 is no equation of x
    if variables or (not isinstance(one[0], Apply) and not isinstance(two[0], Apply)):
        return Finding(False, "equation", "different unknowns")
    return comparison.nodes(one[1][-1], two[1][-1])


def _functions(comparison: Comparison, name: Apply, value: Node, other_name: Apply, other: Node) -> Finding:
    """`f(x) = 2x` and `f(t) = 2t`."""
    match name, other_name:
        case Apply(f, (Symbol(x),)), Apply(g, (Symbol(t),)) if f == g and x.islower() and t.islower():
            return comparison.nodes(value, substitute(other, {t: Symbol(x)}))
    return Finding(False, "equation", "different unknowns")


def _conditions(comparison: Comparison, a: Node, b: Node) -> Finding:
    try:
        equal = same_set(real_set(a), real_set(b))
        if equal is not None:
            return Finding(equal, "interval", "sets of real numbers")
    except Shapeless:
        pass
    if isinstance(a, Relation) and isinstance(b, Relation) and len(a.operands) == len(b.operands) == 2:
        return _inequalities(a, b)
    if isinstance(a, SetExpression) and isinstance(b, SetExpression) and a.operator == b.operator:
        if a.operator == "difference":
            return comparison.in_order(a.operands, b.operands)
        return comparison.in_any_order(a.operands, b.operands)
    if isinstance(a, Relation) and isinstance(b, Relation) and a.operators == b.operators:
        return comparison.in_order(a.operands, b.operands)
    if isinstance(a, Group) and isinstance(b, Group):
        return comparison.in_any_order(a.items, b.items)
    return Finding(False, "interval", "a condition and something else")


def _is_condition(node: Node) -> bool:
    if isinstance(node, Relation):
        return not _EQUALITIES.issuperset(node.operators)
    return isinstance(node, SetExpression) or node == REALS or is_condition_list(node)


def is_condition_list(node: Node) -> bool:
    """`x > 0 and x < 1`."""
    first = node.items[0] if isinstance(node, Group) and not node.opening and node.items else None
    return isinstance(first, Relation) and _is_condition(first)


def assigned_values(relation: Relation) -> tuple[Node, tuple[Node, ...]] | None:
    """The name and the values of `x = 5`, `5 = x`, `f(x) = x^2`, `V = 2 + 3 = 5`; an equation of values has no name."""
    if not _EQUALITIES.issuperset(relation.operators):
        return None
    operands = relation.operands
    if "~" in relation.operators[1:]:  # what follows is rounded
        operands = operands[: relation.operators.index("~", 1) + 1]
    if _is_name(operands[0]):
        return operands[0], operands[1:]
    if _is_name(operands[-1]) and relation.operators[-1] == "=":
        return operands[-1], operands[:-1]
    if all(is_arithmetic(operand) and not symbols(operand) for operand in operands):
        return Text(""), operands if relation.operators[0] == "=" else operands[:1]
    return None


def _members(node: Node) -> Node:
    """`x \\in \\{1, 2\\}` is the set."""
    match node:
        case Relation((Symbol() | Group("("), Group("{", _, "}") as values), ("in",)):
            return values
    return node


def _is_name(node: Node) -> bool:
    """Whether a side of an equation only says what the other one is: `x`, `f(x)`, `(x, y)`, `\\angle ABC`, `dy/dx`, `|AB|`."""
    if isinstance(node, Symbol | Text):
        return True
    if isinstance(node, Group):
        return node.opening == "(" and all(isinstance(item, Symbol) for item in node.items)
    if isinstance(node, Ratio):
        return all(map(_is_name, node.items))
    if isinstance(node, Apply) and node.function not in KNOWN_FUNCTIONS:
        return True
    if not is_arithmetic(node) or any(
        isinstance(part, Number) and part != MINUS_ONE for part in walk(_without_powers(node))
    ):
        return False
    names = symbols(node)
    if names and all(name[0].isupper() or len(name) > 1 for name in names):
        return True
    parts = node.terms if isinstance(node, Add) else node.factors if isinstance(node, Mul) else ()
    return len(parts) == len(names) > 1 and all(isinstance(part, Symbol) for part in parts)  # m + n


def _without_powers(node: Node) -> Node:
    """`AB^2` as `AB`: a power is part of a name."""
    if isinstance(node, Pow) and isinstance(node.exponent, Number):
        return _without_powers(node.base)
    return with_children(node, _without_powers)


def _roughly(one: Node, two: Node) -> bool:
    a, b = real_value(one), real_value(two)
    return a is None or b is None or abs(a - b) <= abs(a) / 50 + 1e-9


def _difference(relation: Relation) -> Node:
    return Add((relation.operands[0], negated(relation.operands[1])))


def _inequalities(a: Relation, b: Relation) -> Finding:
    """`2x + 3 > 7` and `x > 2`: proportional differences with the same sense."""
    flipped = {"<": ">", "<=": ">="}
    sides = []
    for relation in (a, b):
        difference, operator = _difference(relation), relation.operators[0]
        if operator in flipped:
            difference, operator = negated(difference), flipped[operator]
        sides.append((difference, operator))
    (one, sense_a), (two, sense_b) = sides
    if sense_a != sense_b or not (is_arithmetic(one) and is_arithmetic(two)):
        return Finding(False, "interval", "different conditions")
    return proportional(one, two, positive=sense_a != "!=")
