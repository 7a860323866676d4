"""Sums, products, powers and what follows a value."""

from __future__ import annotations

from fractions import Fraction

from skillforge_math_grader import vocabulary as known
from skillforge_math_grader.normal import DOLLAR
from skillforge_math_grader.parsing.atoms import Atoms
from skillforge_math_grader.tokens import END, Unreadable
from skillforge_math_grader.tree import (
    MINUS_ONE,
    Add,
    Apply,
    Based,
    Mul,
    Node,
    Number,
    PlusMinus,
    Pow,
    Quantity,
    Symbol,
    negated,
    reciprocal,
)
from skillforge_math_grader.units import find_unit

MAX_POSTFIXES = 8
_TIMES = frozenset(["*", r"\cdot", r"\times", r"\div", "/", r"\bullet"])


class Arithmetic(Atoms):
    """Joins atoms by operators."""

    def _sum(self) -> Node:
        terms = [self._term(first=True)]
        while True:
            token = self._token
            if (token.kind == "op" and token.value in "+-") or token.value in (r"\pm", r"\mp"):
                terms.append(self._term(first=False))
            else:
                break
        return terms[0] if len(terms) == 1 else Add(tuple(terms))

    def _term(self, first: bool) -> Node:
        negative, wrap = False, None
        while True:
            if self._accept("-"):
                negative = not negative
            elif self._accept("+"):
                if self._token.value == "/" and self._ahead().value == "-":
                    self._at += 2
                    wrap = False
            elif self._accept(r"\pm"):
                wrap = False
            elif self._accept(r"\mp"):
                wrap = True
            else:
                break
        currency = self._accept(DOLLAR)
        if currency and self._accept("-"):
            negative = not negative
        node = self._product()
        if currency or self._accept(DOLLAR):
            node = Quantity(node, "$")
        if negative:
            node = negated(node)
        return node if wrap is None else PlusMinus(node, wrap)

    def _product(self) -> Node:
        factors = [self._power()]
        while True:
            token = self._token
            if token.kind in ("op", "macro") and token.value in _TIMES:
                self._at += 1
                divides = token.value in ("/", r"\div")
                negative = self._token.value == "-" and self._accept("-")
                factor = self._power()
                if negative:
                    factor = negated(factor)
                factors.append(reciprocal(factor) if divides else factor)
            elif self._starts_factor():
                if token.kind == "number":
                    self._mix(factors)
                else:
                    self._juxtapose(factors)
            else:
                break
        return factors[0] if len(factors) == 1 else Mul(tuple(factors))

    def _starts_factor(self) -> bool:
        kind, value, spaced = self._token
        if kind == "number":
            return True
        if kind == "text":
            return value.strip() in known.FUNCTIONS or (len(value) == 1 and value in "ei")
        if kind == "word":
            if value.lower() in known.JOINS or value in ("in", "mod", "U", "to") or value.lower() in known.CLAUSES:
                return False
            if self._integrals and len(value) == 2 and value[0] == "d":
                return False
            if value in known.FUNCTIONS or value in known.CONSTANTS:
                return True
            return not (
                len(value) > 1 and not self._depth and self._follows_number() and find_unit(value, explicit=spaced)
            )
        if kind == "macro":
            return not (
                value in known.RELATIONS
                or value in known.SET_OPERATORS
                or value in known.CLOSING
                or value in known.JOINS
                or value in known.SEPARATORS
                or value
                in (r"\pm", r"\mp", r"\pmod", r"\bmod", r"\mod", r"\mid", r"\implies", r"\circ", r"\end", r"\rfloor")
                or value in (r"\rceil", r"\|", r"\choose", r"\over")
            )
        if value == "|":
            return not self._bars
        if value == "(" and self._at_modulus():
            return False
        if value == "[" and (self._ahead() is END or self._ahead().value in (*known.CLOSING, *known.SET_OPERATORS)):
            return False  # it closes [0, 1[
        return value in ("(", "[", "{")

    def _follows_number(self) -> bool:
        before = self._tokens[self._at - 1]
        return before.kind == "number" or before.value in ("}", ")", r"\pi", "!")

    def _mix(self, factors: list[Node]) -> None:
        """`3 1/2`: a whole number and a fraction after a space. A variable and a number are a product."""
        before = self._tokens[self._at - 1]
        if before.kind != "number" or isinstance(factors[-1], Pow):
            if before.kind in ("word", "number") or before.value in (")", "}", "!"):
                factors.append(self._power())
                return
            raise Unreadable("a number after a factor")
        whole, part = factors[-1], self._token
        if not (part.spaced and self._ahead().value == "/" and self._ahead(2).kind == "number"):
            raise Unreadable("two numbers in a row")
        over, under = self._number(), self._after_slash()
        if not (isinstance(whole, Number) and whole.places is None and over.places is None and under.places is None):
            raise Unreadable("two numbers in a row")
        if over.value >= under.value:
            raise Unreadable("a mixed number whose part is no part")
        factors[-1] = Number(whole.value + over.value / under.value)

    def _after_slash(self) -> Number:
        self._at += 1
        return self._number()

    def _juxtapose(self, factors: list[Node]) -> None:
        before = self._tokens[self._at - 1]
        mixed = self._token.value == r"\frac" and before.kind == "number" and isinstance(factors[-1], Number)
        factor = self._power()
        whole, part = factors[-1], _plain_fraction(factor)
        if mixed and part is not None and isinstance(whole, Number) and whole.places is None:
            factors[-1] = Number(whole.value + part)
        else:
            factors.append(factor)

    def _power(self) -> Node:
        base = self._postfix(self._atom())
        if self._token.value not in ("^", "**") or self._token.kind != "op":
            return base
        self._at += 1
        if self._accept(r"\circ"):
            unit = self._token.value if self._token.kind in ("word", "text") and self._token.value in ("C", "F") else ""
            self._at += bool(unit)
            return self._postfix(Quantity(base, f"°{unit}" if unit else "degree"))
        if self._token.value in ("'", r"\prime") and isinstance(base, Symbol):
            self._at += 1
            return self._postfix(Symbol(base.name + "'"))
        exponent = self._exponent()
        if exponent == MINUS_ONE and isinstance(base, Symbol) and base.name in "fgh" and self._token.value == "(":
            return Apply(f"{base.name}^-1", self._arguments())
        node = Pow(base, exponent)
        return self._postfix(node) if self._token.value == "!" else node

    def _exponent(self) -> Node:
        if self._token.value == "{":
            return self._braced()
        if self._accept("-"):
            return negated(self._power())
        self._accept("+")
        return self._power()

    def _postfix(self, node: Node) -> Node:
        for _ in range(MAX_POSTFIXES):
            token = self._token
            if token.value == "!" and token.kind == "op":
                self._at += 1
                double = self._accept("!")
                node = Apply("double_factorial" if double else "factorial", (node,))
            elif token.kind == "op" and token.value.startswith("'") and isinstance(node, Symbol):
                self._at += 1
                node = Symbol(node.name + token.value)
                if self._token.value == "(":
                    return Apply(node.name, self._arguments())
            elif token.value == "_" and isinstance(node, Symbol):
                self._at += 1
                node = Symbol(f"{node.name}_{self._name()}")
            elif token.value == "_" and isinstance(node, Number) and node.places is None:
                self._at += 1
                base = self._name()
                if not base.isdigit() or len(base) > 2:
                    raise Unreadable("a numeral with such a subscript")
                node = Based(str(node.value), int(base))
            else:
                return node
        raise Unreadable("a row of factorials")

    def _name(self) -> str:
        """A subscript, as text."""
        if not self._accept("{"):
            return self._next().value.strip()
        depth, parts = 1, []
        while depth:
            token = self._next()
            if token is END:
                raise Unreadable("an open brace")
            depth += (token.value == "{") - (token.value == "}") if token.kind == "op" else 0
            parts.append(token.value.strip())
        return "".join(parts[:-1])


def _plain_fraction(node: Node) -> Fraction | None:
    """The value of `\\frac{1}{2}` with two whole numbers."""
    match node:
        case Mul((Number(over, None), Pow(Number(under, None), exponent))) if exponent == MINUS_ONE and under:
            return over / under
    return None
