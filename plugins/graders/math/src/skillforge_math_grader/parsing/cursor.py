"""Moving over tokens, and what the levels of the grammar ask of each other."""

from __future__ import annotations

from collections.abc import Callable

from skillforge_math_grader.tokens import END, Token, Unreadable
from skillforge_math_grader.tree import Node

MAX_DEPTH = 40


class Cursor:
    """A place in a list of tokens, and what is open there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._bars = 0  # open |
        self._integrals = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _ahead(self, count: int = 1) -> Token:
        return self._tokens[self._at + count] if self._at + count < len(self._tokens) else END

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += token is not END
        return token

    def _accept(self, *values: str) -> bool:
        if self._token.value in values and self._token.kind in ("op", "macro"):
            self._at += 1
            return True
        return False

    def _expect(self, *values: str) -> str:
        token = self._token
        if not self._accept(*values):
            raise Unreadable(f"'{token.value}' where {values[0]} should be")
        return token.value

    def _nested(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("nested too deep")
        bars, self._bars = self._bars, 0
        node = read()
        self._bars = bars
        self._depth -= 1
        return node

    # What other levels bring -------------------------------------------------------------------------------------

    def _list(self) -> Node:
        raise NotImplementedError

    def _condition(self) -> Node:
        raise NotImplementedError

    def _sum(self) -> Node:
        raise NotImplementedError

    def _measured(self) -> Node:
        raise NotImplementedError

    def _product(self) -> Node:
        raise NotImplementedError

    def _power(self) -> Node:
        raise NotImplementedError

    def _exponent(self) -> Node:
        raise NotImplementedError

    def _postfix(self, node: Node) -> Node:
        raise NotImplementedError

    def _atom(self) -> Node:
        raise NotImplementedError

    def _argument(self) -> Node:
        raise NotImplementedError

    def _braced(self) -> Node:
        raise NotImplementedError

    def _starts_factor(self) -> bool:
        raise NotImplementedError

    def _name(self) -> str:
        raise NotImplementedError

    def _at_modulus(self) -> bool:
        raise NotImplementedError

    def _mix(self, factors: list[Node]) -> None:
        raise NotImplementedError
