"""Whole answers: lists, relations, sets, and values with their units."""

from __future__ import annotations

from skillforge_math_grader import vocabulary as known
from skillforge_math_grader.parsing.arithmetic import Arithmetic
from skillforge_math_grader.tokens import END, Unreadable
from skillforge_math_grader.tree import Group, Matrix, Node, Number, Quantity, Ratio, Relation, SetExpression, Text

MAX_UNITS = 4
MAX_CHANGES = 20


class Answers(Arithmetic):
    """Joins expressions to answers."""

    def answer(self) -> Node:
        node = self._over_or_choose(self._list())
        if self._token is not END:
            raise Unreadable(f"'{self._token.value}' is not understood")
        return node

    def _list(self) -> Node:
        """Conditions with commas, "and" or "or" between them."""
        items, joins = [self._condition()], set()
        while (join := self._separator()) is not None and not self._at_clause():
            if self._token is END or self._token.value in known.CLOSING:
                break
            joins.add(join)
            items.append(self._condition())
        if self._at_clause():
            self._skip_clause()
        if len(items) == 1:
            return items[0]
        if joins == {"or"} and any(_is_condition(item) for item in items):
            return SetExpression("union", tuple(items))
        return Group("", tuple(items), "")

    def _separator(self) -> str | None:
        join = None
        while True:
            token = self._token
            word = token.value.strip(" ,;").lower() if token.kind in ("text", "word") else token.value
            if token.kind in ("op", "macro") and word in known.SEPARATORS:
                join = join or ","
            elif word in known.JOINS:
                join = known.JOINS[word]
            elif not (token.kind == "text" and not word):
                return join
            self._at += 1

    def _condition(self) -> Node:
        """An expression, or expressions with relations between them."""
        self._skip_introduction()
        self._accept(r"\approx", "=", r"\implies")
        operands, operators = [self._set()], []
        while True:
            token = self._token
            operator = known.RELATIONS.get(token.value) if token.kind in ("op", "macro") else None
            if token.kind == "word" and token.value == "in":
                operator = "in"
            if operator is None:
                break
            self._at += 1
            if operator in "<>" and self._accept("="):
                operator += "="
            operators.append(operator)
            operands.append(self._set())
        if not operators:
            return operands[0]
        return Relation(tuple(operands), tuple(operators))

    def _skip_introduction(self) -> None:
        while (token := self._token).kind in ("text", "word") and len(token.value.strip()) > 1:
            words = token.value.lower().replace(":", " ").replace(",", " ").split()
            if not words or any(word not in known.INTRODUCTIONS for word in words) or self._ahead() is END:
                return
            self._at += 1
            self._accept(":")

    def _set(self) -> Node:
        """Expressions with set operators between them, or `a : b`."""
        operands = [self._measured()]
        operator, changes = None, 0
        while True:
            token = self._token
            found = known.SET_OPERATORS.get(token.value) if token.kind == "macro" else None
            if token.kind == "word" and token.value in ("U", "u") and isinstance(operands[-1], Group):
                found = "union"
            if found is None:
                break
            if operator not in (None, found):
                changes += 1
                if changes > MAX_CHANGES:
                    raise Unreadable("a row of different set operators")
                operands = [SetExpression(operator, tuple(operands))]  # type: ignore[arg-type]
            operator = found
            self._at += 1
            operands.append(self._measured())
        if operator is not None:
            return SetExpression(operator, tuple(operands))  # type: ignore[arg-type]
        while self._depth == 0 and self._at_colon():
            self._at += 1
            operands.append(self._sum())
        return operands[0] if len(operands) == 1 else Ratio(tuple(operands))

    def _at_colon(self) -> bool:
        """`3 : 2`, or `3 to 2`."""
        token = self._token
        return token.value == ":" or (token.kind in ("word", "text") and token.value.strip() == "to")

    # Units -------------------------------------------------------------------------------------------------------

    def _measured(self) -> Node:
        """A sum with the unit that may follow it."""
        node = self._sum()
        for _ in range(MAX_UNITS):
            if not isinstance(node, Quantity) and self._accept("%"):
                node = Quantity(node, "%")
            elif self._at_modulus():
                self._accept("(")
                self._next()
                modulus = self._atom()
                self._accept(")")
                if not isinstance(modulus, Number):
                    raise Unreadable("a modulus that is no number")
                node = Quantity(node, f"mod {modulus.value}")
            elif self._token.kind in ("text", "word") and not isinstance(node, Text | Group | Matrix):
                unit = self._unit()
                if unit is None:
                    return node
                node = Quantity(node, unit)
            else:
                return node
        raise Unreadable("a row of units")

    def _at_modulus(self) -> bool:
        token = self._ahead() if self._token.value == "(" else self._token
        return token.value in (r"\pmod", r"\bmod", r"\mod", "mod") and token.kind in ("macro", "word", "text")

    def _unit(self) -> str | None:
        """The unit here, None where a separator or a clause begins."""
        words: list[str] = []
        while True:
            token = self._token
            word = token.value.strip() if token.kind in ("text", "word") else token.value
            if token.kind in ("text", "word"):
                first = word.lower().strip(" ,;").split(" ")[0]
                if first in known.JOINS:
                    break
                if first in known.CLAUSES or first == "to":
                    break
                words.append(word)
            elif words and token.value in ("^", "**"):
                self._at += 1
                words.append(f"^{self._plain_exponent()}")
                continue
            elif words and token.value in ("/", r"\cdot", "*", "-") and self._ahead().kind in ("text", "word"):
                words.append("/" if token.value == "/" else "·")
            else:
                break
            self._at += 1
        return " ".join(words).replace(" ^", "^").replace(" / ", "/").replace(" · ", "·") if words else None

    def _plain_exponent(self) -> str:
        braced = self._accept("{")
        sign = "-" if self._accept("-") else ""
        token = self._next()
        if token.kind != "number" or (braced and not self._accept("}")):
            raise Unreadable("a unit with such an exponent")
        return sign + token.value

    def _at_clause(self) -> bool:
        token = self._token
        return token.kind in ("text", "word") and token.value.strip(" ,;").lower().split(" ")[0] in known.CLAUSES

    def _skip_clause(self) -> None:
        """Pass over "where n is an integer"; any other condition is part of the answer, and not understood."""
        rest = " ".join(token.value for token in self._tokens[self._at :]).lower()
        if "integer" not in rest and "constant" not in rest and r"\mathbb { z }" not in rest and "real" not in rest:
            raise Unreadable("a condition in words")
        self._at = len(self._tokens) - 1


def _is_condition(node: Node) -> bool:
    if isinstance(node, Relation):
        return any(operator != "=" for operator in node.operators)
    return isinstance(node, SetExpression) or (isinstance(node, Group) and node.opening in ("(", "["))
