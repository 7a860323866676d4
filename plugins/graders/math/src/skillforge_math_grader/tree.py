"""The typed tree that the parser makes of an answer.

Nodes are immutable and hashable, and hold nothing but other nodes, exact numbers and names. Powers and factorials stay as
they are written: making a tree costs time linear in its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal

import msgspec


class Node(msgspec.Struct, frozen=True):
    """Base of all nodes."""


class Number(Node, frozen=True):
    """An exact rational. `places` counts the digits after the point where it is written as a decimal."""

    value: Fraction
    places: int | None = None


class Symbol(Node, frozen=True):
    """A variable, with its subscript and primes: `x`, `x_1`, `alpha`, `f'`."""

    name: str


class Constant(Node, frozen=True):
    """A number with a name of its own."""

    name: Literal["pi", "e", "i", "oo"]


class Add(Node, frozen=True):
    terms: tuple[Node, ...]


class Mul(Node, frozen=True):
    factors: tuple[Node, ...]


class Pow(Node, frozen=True):
    """A power. Quotients are products with an exponent of -1, square roots have the exponent 1/2."""

    base: Node
    exponent: Node


class Apply(Node, frozen=True):
    """A function at its arguments, such as `sin`, or one that nobody knows, such as `f`.

    Of several arguments: `log` (x, base), `root` (x, n: the real n-th root), `binomial` (n, k), `gcd`, `lcm`, `min`, `max`, and
    `mod` (x, m).
    """

    function: str
    arguments: tuple[Node, ...]


class PlusMinus(Node, frozen=True):
    """`±x`; `flipped` is `∓x`, whose sign is the other one of the signs before it."""

    term: Node
    flipped: bool = False


class Bound(Node, frozen=True):
    """An operator that binds a variable: a sum or product from `lower` to `upper`, an integral (with both or no bound), the
    limit as `variable` goes to `lower`, or the derivative by `variable`."""

    operator: Literal["sum", "product", "integral", "limit", "derivative"]
    body: Node
    variable: str
    lower: Node | None = None
    upper: Node | None = None


class Quantity(Node, frozen=True):
    """A value with its unit, as written (`cm^2`, `km/h`, `percent`, `degree`, `$`, or a word that is in no table)."""

    value: Node
    unit: str


class Based(Node, frozen=True):
    """A numeral in a written base: `1101_2`."""

    digits: str
    base: int


class Group(Node, frozen=True):
    """Items with commas between them, in brackets `( [ {` and `) ] }` of any pairing; a bare list has empty brackets."""

    opening: str
    items: tuple[Node, ...]
    closing: str


class Matrix(Node, frozen=True):
    """Rows of the same length."""

    rows: tuple[tuple[Node, ...], ...]


class Relation(Node, frozen=True):
    """Operands with a relation between each two: `=`, `!=`, `<`, `<=`, `>`, `>=`, `~` (approximately) or `in`."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]


class SetExpression(Node, frozen=True):
    """`union`, `intersection` or `difference` of sets, or of conditions joined by "or" and "and"."""

    operator: Literal["union", "intersection", "difference"]
    operands: tuple[Node, ...]


class Ratio(Node, frozen=True):
    """`2 : 3`, or a time of day."""

    items: tuple[Node, ...]


class Text(Node, frozen=True):
    """Words, folded: lower case, single-spaced, without articles."""

    words: str


ONE = Number(Fraction(1))
MINUS_ONE = Number(Fraction(-1))
HALF = Number(Fraction(1, 2))
PI = Constant("pi")
E = Constant("e")
I = Constant("i")  # noqa: E741
INFINITY = Constant("oo")


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below `node`."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, Node):
                    yield item
                elif isinstance(item, tuple):
                    yield from item


def walk(node: Node) -> Iterator[Node]:
    """`node` and all nodes below it."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children(node))


def with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    """`node` with each node directly below it replaced by what `change` makes of it."""
    changed: dict[str, object] = {}
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            changed[name] = change(value)
        elif isinstance(value, tuple):
            changed[name] = tuple(
                change(item)
                if isinstance(item, Node)
                else tuple(map(change, item))
                if isinstance(item, tuple)
                else item
                for item in value
            )
        else:
            changed[name] = value
    return type(node)(**changed)


def letters(node: Node) -> str | None:
    """Whole numbers and names of one letter without anything between them: `vw`, `152A`; None for anything else."""
    written = ""
    for part in node.factors if isinstance(node, Mul) else (node,):
        if isinstance(part, Number) and part.value.denominator == 1 and part.places is None:
            written += str(part.value)
        elif isinstance(part, Symbol) and len(part.name) == 1:
            written += part.name
        else:
            return None
    return written


def negated(node: Node) -> Node:
    """`-node`."""
    if isinstance(node, Number):
        return Number(-node.value, node.places)
    if isinstance(node, Quantity):
        return Quantity(negated(node.value), node.unit)
    return Mul((MINUS_ONE, node))


def reciprocal(node: Node) -> Node:
    """`1/node`."""
    return Pow(node, MINUS_ONE)


def describe(node: Node, depth: int = 60) -> str:
    """`node` in one line: the names of its parts, and their own parts in brackets, so many levels deep."""
    match node:
        case Number(value, places):
            bits = value.numerator.bit_length() + value.denominator.bit_length()
            shown = str(value) if bits < 10_000 else f"a number of {bits} bits"
            return shown if places is None else f"{shown} ({places} places)"
        case Symbol(name) | Constant(name):
            return name
    if not depth:
        return "..."
    parts = [_described(getattr(node, name), depth - 1) for name in node.__struct_fields__]
    return f"{type(node).__name__}({', '.join(parts)})"


def _described(part: object, depth: int) -> str:
    if isinstance(part, Node):
        return describe(part, depth)
    if isinstance(part, tuple):
        return f"[{', '.join(_described(item, depth) for item in part)}]"
    return repr(part) if isinstance(part, str) else str(part)
