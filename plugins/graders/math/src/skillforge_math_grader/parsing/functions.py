"""Functions with their arguments, and the operators that bind a variable."""

from __future__ import annotations

from fractions import Fraction

from skillforge_math_grader import vocabulary as known
from skillforge_math_grader.parsing.cursor import Cursor
from skillforge_math_grader.tokens import Unreadable
from skillforge_math_grader.tree import (
    HALF,
    MINUS_ONE,
    ONE,
    Apply,
    Bound,
    E,
    Group,
    I,
    Mul,
    Node,
    Number,
    Pow,
    Relation,
    Symbol,
    negated,
    reciprocal,
    with_children,
)

_DIFFERENTIALS = frozenset("dx dy dt du dv ds dr dz".split())


class Functions(Cursor):
    """Reads what follows the name of a function."""

    def _function(self, name: str) -> Node:
        if name == "mod":
            raise Unreadable("a modulus where a value should be")
        base = exponent = None
        while True:
            if self._token.value == "_" and base is None and name == "log":
                self._at += 1
                base = self._argument()
            elif self._token.value == "^" and exponent is None and name not in ("sqrt", "exp"):
                self._at += 1
                exponent = self._argument() if self._token.value != "-" else self._exponent()
            else:
                break
        arguments = self._arguments() if self._token.value in ("(", "{") else (self._bare_argument(name),)
        node = _apply(name, arguments, base, exponent == MINUS_ONE)
        return Pow(node, exponent) if exponent is not None and exponent != MINUS_ONE else node

    def _arguments(self) -> tuple[Node, ...]:
        closing = {"(": ")", "{": "}"}[self._expect("(", "{")]
        inner = self._nested(self._list)
        self._expect(closing)
        return inner.items if isinstance(inner, Group) and not inner.opening else (inner,)

    def _bare_argument(self, name: str) -> Node:
        """`\\sin 2x`: the factors up to the next operator or function."""
        if name in ("sqrt", "cbrt"):
            return self._postfix(self._atom())
        negative = self._accept("-")
        factors = [self._power()]
        while self._starts_factor() and self._token.value not in ("(", "[", "|") and not self._at_function():
            if self._token.kind == "number":
                self._mix(factors)
            else:
                factors.append(self._power())
        node = factors[0] if len(factors) == 1 else Mul(tuple(factors))
        return negated(node) if negative else node

    def _at_function(self) -> bool:
        token = self._token
        if token.value in (r"\sqrt", r"\log", r"\ln") and token.kind == "macro":
            return token.value != r"\sqrt"
        return (token.value[1:] if token.kind == "macro" else token.value) in known.FUNCTIONS and token.kind != "number"

    def _bound(self, name: str) -> Node:
        """`\\sum_{k=1}^{n} body`, `\\int_a^b body dx`, `\\lim_{x \\to a} body`."""
        lower = upper = None
        while self._token.value in ("_", "^", r"\limits"):
            mark = self._next().value
            if mark == "_":
                lower = self._braced() if self._token.value == "{" else self._argument()
            elif mark == "^":
                upper = self._braced() if self._token.value == "{" else self._argument()
        if name == "int":
            self._integrals += 1
            body = ONE if self._token.value in _DIFFERENTIALS else self._sum()
            self._integrals -= 1
            token = self._next()
            if token.kind != "word" or len(token.value) != 2 or token.value[0] != "d":
                raise Unreadable("an integral without its differential")
            return Bound("integral", body, token.value[1], lower, upper)
        if not (isinstance(lower, Relation) and len(lower.operands) == 2):
            raise Unreadable("an operator without its variable")
        variable, start = lower.operands
        body = self._product()
        if variable == I:  # the index i is no imaginary unit
            variable, body = Symbol("i"), _with_index_i(body)
        if not isinstance(variable, Symbol):
            raise Unreadable("an operator without its variable")
        operator = {"sum": "sum", "prod": "product", "lim": "limit"}[name]
        return Bound(operator, body, variable.name, start, upper)  # type: ignore[arg-type]


def _with_index_i(node: Node) -> Node:
    return Symbol("i") if node == I else with_children(node, _with_index_i)


def _apply(name: str, arguments: tuple[Node, ...], base: Node | None, inverse: bool) -> Node:
    if inverse and name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"):
        return Apply(f"arc{name}", arguments)
    if inverse:
        return reciprocal(_apply(name, arguments, base, False))
    if name == "sqrt" and len(arguments) == 1:
        return Pow(arguments[0], HALF)
    if name == "cbrt" and len(arguments) == 1:
        return Apply("root", (arguments[0], Number(Fraction(3))))
    if name == "exp" and len(arguments) == 1:
        return Pow(E, arguments[0])
    if name == "cis" and len(arguments) == 1:
        return Pow(E, Mul((I, arguments[0])))
    if name == "log":
        if len(arguments) > 2:
            raise Unreadable("a logarithm of three arguments")
        return Apply("log", (arguments[0], base or (arguments[1] if len(arguments) == 2 else Number(Fraction(10)))))
    if name not in known.OF_MANY and len(arguments) != 1 + (name in known.OF_TWO):
        raise Unreadable(f"{name} of {len(arguments)} arguments")
    return Apply(name, arguments)
