"""Atoms: numbers, names, macros and brackets."""

from __future__ import annotations

from fractions import Fraction

from skillforge_math_grader import vocabulary as known
from skillforge_math_grader.numbers import exact, places_of, power_of_ten, repeating
from skillforge_math_grader.parsing.functions import Functions
from skillforge_math_grader.parsing.printed import CONSTRUCTORS
from skillforge_math_grader.tokens import END, Token, Unreadable
from skillforge_math_grader.tree import (
    HALF,
    Apply,
    Bound,
    Constant,
    Group,
    Matrix,
    Mul,
    Node,
    Number,
    Pow,
    Relation,
    SetExpression,
    Symbol,
    Text,
    reciprocal,
)


class Atoms(Functions):
    """Reads the smallest parts of an expression."""

    def _atom(self) -> Node:
        token = self._token
        if token.kind == "number":
            return self._number()
        if token.kind == "word":
            return self._word()
        if token.kind == "text":
            return self._in_text()
        if (token.value in known.OPENING or token.value == "]") and token.kind in ("op", "macro"):
            return self._nested(self._bracketed)
        if token.kind == "macro":
            return self._macro()
        if token.value == "{":
            return self._braced()
        if token.value == "|":
            self._at += 1
            return self._nested(self._absolute)
        if token.value == "." and self._ahead().value in (r"\overline", r"\bar", r"\dot"):
            self._at += 1
            return self._repeating("0.")
        if token.value == "...":
            self._at += 1
            return Symbol("...")
        raise Unreadable(f"'{token.value}' where a value should be" if token is not END else "it ends too early")

    def _number(self) -> Number:
        token = self._next()
        if token.kind != "number":
            raise Unreadable("no number")
        text = token.value
        if self._token.value in (r"\overline", r"\bar", r"\dot") and "." in text:
            return self._repeating(text)
        if self._token.value == "." and self._ahead().value in (r"\overline", r"\bar", r"\dot"):
            self._at += 1
            return self._repeating(text + ".")
        mantissa, _, power = text.lower().partition("e")
        return Number(exact(mantissa) * power_of_ten(power or "0"), None if power else places_of(mantissa))

    def _repeating(self, before: str) -> Number:
        self._at += 1
        braced = self._accept("{")
        period = self._next()
        if period.kind != "number" or not period.value.isdigit() or (braced and not self._accept("}")):
            raise Unreadable("a bar over something else than digits")
        return Number(repeating(before, period.value))

    def _word(self) -> Node:
        token = self._next()
        word = token.value
        if self._token.value == "(" and word in CONSTRUCTORS:
            return CONSTRUCTORS[word](self)
        if word in known.FUNCTIONS and (len(word) > 2 or word in ("ln", "lg") or self._token.value == "("):
            return self._function(known.FUNCTIONS[word])
        if word in known.CONSTANTS and not (word == "I" and self._token.value == "("):
            return Constant(known.CONSTANTS[word])  # type: ignore[arg-type]
        if len(word) == 1:
            return self._applied(word)
        if word in known.GREEK or (len(word) == 2 and word[0] == "d" and word[1] in "xytuvrsz"):
            return Symbol(word)
        for function in known.FAMILIAR:
            at = word.find(function)
            if at == 0 and len(word) <= len(function) + 2:
                self._split(token, len(function))
                return self._function(known.FUNCTIONS[function])
            if at == 1 and word.endswith(function):
                self._split(token, 1)
                return self._letter(word[0])
        if len(word) <= 3:
            self._split(token, 1)
            return self._letter(word[0])
        return Apply(word, self._arguments()) if self._token.value == "(" else Symbol(word)

    def _split(self, token: Token, length: int) -> None:
        """Go on with the rest of a word after its first `length` letters."""
        self._at -= 1
        self._tokens[self._at] = Token("word", token.value[length:])

    def _letter(self, letter: str) -> Node:
        return Constant(known.CONSTANTS[letter]) if letter in known.CONSTANTS else Symbol(letter)  # type: ignore[arg-type]

    def _applied(self, letter: str) -> Node:
        """A variable, or a function of that name: `f(2x)`, `P(x)`, but not `n(n+1)`."""
        if letter == "C" and self._token.value == "(" and self._ahead(2).value == ",":
            return Apply("binomial", self._arguments())
        if self._token.value == "(" and letter.isupper() and self._holds_comma():
            return self._atom()  # the point A(1, 2)
        if (
            letter in "pqruvwy"
            and self._ahead(2).value == ")"
            and self._ahead(3).value == "="
            and self._token.value == "("
        ):
            return Apply(letter, self._arguments())
        if self._token.value == "(" and not self._token.spaced and (letter in "fgh" or letter.isupper()):
            inner, closing = self._ahead(), self._ahead(2)
            if letter in "fgh" or (closing.value == ")" and inner.kind in ("word", "number") and len(inner.value) == 1):
                return Apply(letter, self._arguments())
        return Symbol(letter)

    def _in_text(self) -> Node:
        words = self._next().value.strip()
        if words.lower() in ("infinity", "pi"):
            return Constant(known.CONSTANTS[words.lower()])  # type: ignore[arg-type]
        if words in known.FUNCTIONS and len(words) > 1:
            return self._function(known.FUNCTIONS[words])
        if len(words) == 1 and words.isalpha():
            return self._letter(words)
        while self._token.kind in ("text", "word"):
            words += " " + self._next().value.strip()
        return Text(" ".join(words.lower().split()))

    def _macro(self) -> Node:
        name = self._next().value[1:]
        if name in ("frac", "cfrac"):
            over, under = self._argument(), self._argument()
            if over == Symbol("d") and (variable := _differential(under)) is not None:
                return Bound("derivative", self._product(), variable)
            return Mul((over, reciprocal(under)))
        if name == "sqrt":
            return self._root()
        if name == "binom":
            return Apply("binomial", (self._argument(), self._argument()))
        if name in known.CONSTANTS:
            return Constant(known.CONSTANTS[name])  # type: ignore[arg-type]
        if name in known.FUNCTIONS:
            return self._function(known.FUNCTIONS[name])
        if name in ("sum", "prod", "int", "lim"):
            return self._bound(name)
        if name == "begin":
            return self._nested(self._environment)
        if name in ("lfloor", "lceil"):
            inner = self._nested(self._sum)
            self._expect(r"\rfloor" if name == "lfloor" else r"\rceil")
            return Apply("floor" if name == "lfloor" else "ceil", (inner,))
        if name in known.DECORATIONS:
            kind = "vector" if name in known.VECTORS else name
            return Symbol(f"{kind} {self._name() if self._token.value == '{' else self._next().value}")
        if name == "emptyset":
            return Group("{", (), "}")
        if name in ("|", "\\", "}", "end", "right", "left", "not", "implies", "mid", "circ"):
            raise Unreadable(f"'\\{name}' is not understood here")
        return Symbol(name)

    def _argument(self) -> Node:
        """The argument of a macro: a group in braces, or the next digit, letter or macro."""
        token = self._token
        if token.value == "{":
            return self._braced()
        if token.kind == "number" and len(token.value) > 1 and token.value.isdigit():
            self._tokens[self._at] = Token("number", token.value[1:])
            return Number(Fraction(int(token.value[0])))
        if token.kind == "word" and len(token.value) > 1:
            self._at += 1
            self._split(token, 1)
            return self._letter(token.value[0])
        return self._postfix(self._atom())

    def _braced(self) -> Node:
        self._expect("{")
        node = self._nested(self._list)
        node = self._over_or_choose(node)
        self._expect("}")
        return node

    def _over_or_choose(self, node: Node) -> Node:
        """TeX's own `a \\over b` and `n \\choose k`."""
        if self._accept(r"\over"):
            return Mul((node, reciprocal(self._list())))
        return Apply("binomial", (node, self._list())) if self._accept(r"\choose") else node

    def _root(self) -> Node:
        if self._accept("["):
            degree = self._nested(self._sum)
            self._expect("]")
            return Apply("root", (self._radicand(), degree))
        return Pow(self._radicand(), HALF)

    def _radicand(self) -> Node:
        if self._token.value == "{":
            return self._braced()
        return self._number() if self._token.kind == "number" else self._argument()

    def _bracketed(self) -> Node:
        opening = self._next().value
        if opening == "]":  # ]0, 1[ is (0, 1)
            opening = "("
        plain = known.PLAIN_BRACKETS.get(opening, opening)
        if self._accept(known.OPENING[opening]):
            return Group(plain, (), known.PLAIN_BRACKETS.get(known.OPENING[opening], known.OPENING[opening]))
        self._bars = opening == r"\{"  # in a set, | comes before what its elements are like
        inner = self._list()
        self._bars = 0
        if opening == r"\{" and self._accept(":", "|", r"\mid"):
            condition = self._list()  # set-builder: what follows says which
            self._expect(r"\}")
            of_integers = isinstance(inner, Relation) and inner.operands[-1] in known.WHOLE_NUMBERS
            return SetExpression("intersection", (inner, condition)) if of_integers else condition
        closing = ")" if self._accept("[") else self._expect(")", "]", known.OPENING[opening])
        closing = known.PLAIN_BRACKETS.get(closing, closing)
        if isinstance(inner, Group) and not inner.opening:
            return Group(plain, inner.items, closing)
        if (plain == "(" and closing == ")") or isinstance(inner, Matrix):
            return inner
        return Group(plain, (inner,), closing)

    def _absolute(self) -> Node:
        self._bars += 1
        node = self._sum()
        self._expect("|")
        self._bars -= 1
        return Apply("det" if isinstance(node, Matrix) else "abs", (node,))

    def _environment(self) -> Node:
        name = self._name()
        if name in ("cases", "rcases", "dcases"):
            return self._cases(name)
        if name in known.SYSTEMS or (name == "array" and self._holds_relations()):
            if name == "array" and self._token.value == "{":
                self._name()
            return self._system(name)
        if name not in known.MATRICES:
            raise Unreadable(f"the environment {name}")
        if name == "array" and self._token.value == "{":
            self._name()
        rows: list[tuple[Node, ...]] = []
        cells: list[Node] = []
        while True:
            if self._accept(r"\end"):
                break
            if self._accept(r"\hline"):
                continue
            cells.append(self._measured())
            if not self._accept("&"):
                rows.append(tuple(cells))
                cells = []
                if not self._accept(r"\\"):
                    self._expect(r"\end")
                    break
        if cells or not rows or len({len(row) for row in rows}) != 1 or self._name() != name:
            raise Unreadable("a crooked matrix")
        matrix = Matrix(tuple(rows))
        return Apply("det", (matrix,)) if name in ("vmatrix", "Vmatrix") else matrix

    def _holds_comma(self) -> bool:
        """Whether the bracket that opens here holds a comma of its own."""
        depth = 0
        for token in self._tokens[self._at :]:
            depth += (token.value in ("(", "[", "{")) - (token.value in (")", "]", "}"))
            if depth == 0:
                return False
            if depth == 1 and token.value == ",":
                return True
        return False

    def _holds_relations(self) -> bool:
        """Whether an equation stands before the next `\\end`."""
        for token in self._tokens[self._at :]:
            if token.value == r"\end":
                return False
            if token.value in known.RELATIONS:
                return True
        return False

    def _system(self, name: str) -> Node:
        """The rows of `array` or `aligned` as equations; `&` only says where they are aligned."""
        end = next((at for at in range(self._at, len(self._tokens)) if self._tokens[at].value == r"\end"), None)
        if end is None:
            raise Unreadable("an environment without its end")
        self._tokens[self._at : end] = [token for token in self._tokens[self._at : end] if token.value != "&"]
        return self._cases(name)

    def _cases(self, name: str) -> Node:
        """The rows of `cases`: equations, or values with the conditions under which they hold."""
        rows: list[Node] = []
        while not self._accept(r"\end"):
            cells = [self._case()]
            while self._accept("&"):
                cells.append(self._case())
            rows.append(cells[0] if len(cells) == 1 else Group("(", tuple(cells), ")"))
            if not self._accept(r"\\"):
                self._expect(r"\end")
                break
        if self._name() != name:
            raise Unreadable("crossed environments")
        return Group("", tuple(rows), "")

    def _case(self) -> Node:
        word = self._token.value.strip(" ,").lower() if self._token.kind in ("text", "word") else ""
        if word in ("otherwise", "else"):
            self._at += 1
            return Text("otherwise")
        self._at += word in known.CLAUSES
        node = self._condition()
        self._accept(",")
        return node


def _differential(node: Node) -> str | None:
    """The variable of `dx`."""
    match node:
        case Symbol(name) if len(name) == 2 and name[0] == "d":
            return name[1]
        case Mul((Symbol("d"), Symbol(name))):
            return name
    return None
