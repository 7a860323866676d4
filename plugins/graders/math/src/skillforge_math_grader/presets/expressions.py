"""What sympy would read, as trees of ours: the texts are parsed by our own parser, and never evaluated.

Three ways of reading: `parse_expr` with implicit products (PRM800K), plain `parse_expr`, and `parse_latex` (NeMo Skills). Each
takes other letters for constants than we do, so their texts are respelled first.
"""

from __future__ import annotations

import math
import re

from skillforge_math_grader.identity import compare_values, is_arithmetic, real_value
from skillforge_math_grader.normal import plain
from skillforge_math_grader.parsing import parse
from skillforge_math_grader.tokens import Unreadable
from skillforge_math_grader.tree import Node, Quantity, walk

_PRODUCT_NOTATION = re.compile(r"[0-9a-zα-ω+\-*/^().!]+")
_SPELLED = re.compile(r"(?<![a-z])(?:(?:sqrt|ln)(?=\()|pi(?![a-z]))|[a-zα-ω]")

_PYTHON_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[A-Za-z]\w*)|(?P<mark>\*\*|.)",
    re.ASCII | re.DOTALL,
)
_PYTHON_OPENING = {"(": ")", "[": "]", "{": "}"}
_PYTHON_SIGNS = ("+", "-")
_PYTHON_OPERATORS = (*_PYTHON_SIGNS, "*", "/", "**", "^", "!")
_PYTHON_XOR = re.compile(r"[0-9^+*()-]+|[A-Za-z]\w*\^[A-Za-z]\w*")
_PYTHON_FUNCTIONS = {
    "sqrt": "sqrt", "sin": "sin", "cos": "cos", "tan": "tan", "log": "ln", "ln": "ln", "exp": "exp", "Abs": "abs", "abs": "abs",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "Rational": "Rational", "factorial": "factorial",
    "binomial": "binomial", "floor": "floor", "ceiling": "ceiling",
}  # fmt: skip
_PYTHON_CONSTANTS = {"pi": "pi", "E": r"{e}", "I": r"{i}", "oo": "oo"}

_LATEX_TOKEN = re.compile(r"\\[A-Za-z]+|[A-Za-z]\(?")
_LATEX_SPACING = re.compile(r"\\(?:[,;:!]|q?quad(?![A-Za-z]))")
_LATEX_END = re.compile(r",(?![0-9]{3}(?![0-9]))|(?<=[0-9])_|(?<![0-9])\.(?![0-9])")
_LATEX_UNREADABLE = re.compile(r"\\\\|\*\*|[0-9]\.(?![0-9])|[^\x00-\x7f]")
_LATEX_DENOMINATOR = re.compile(r"/((?:[0-9A-Za-z.^]|\{[^{}]*\}|\([^()]*\)|\\(?!cdot|times)[A-Za-z]+)++)")


def read_product_notation(text: str) -> Node | None:
    """`2sqrt(3)x` as `parse_expr` reads it with implicit products: each letter is a variable, but for `pi`."""
    if not _PRODUCT_NOTATION.fullmatch(text):
        return None
    spelled = _SPELLED.sub(lambda found: _variable(found[0]) if len(found[0]) == 1 else f" {found[0]} ", text)
    return _parsed(plain(spelled))


def read_sympy(text: str) -> Node | None:
    """`text` as `parse_expr` reads it or, where that fails, `parse_latex`; None where neither makes a number or term of it."""
    python = _as_python(text)
    if python is not None:
        return _parsed(python) if python else None
    return _parsed(_as_latex(text))


def same_value(first: Node | None, second: Node | None) -> bool:
    """Whether both are terms with a difference of zero."""
    return first is not None and second is not None and compare_values(first, second).equal is True


def close_values(first: Node | None, second: Node | None, tolerance: float) -> bool:
    """Whether both are real numbers that differ by no more than `tolerance` times the larger one."""
    if first is None or second is None:
        return False
    one, two = real_value(first), real_value(second)
    if one is None or two is None:
        return False
    try:
        return math.isclose(float(one), float(two), rel_tol=tolerance)
    except OverflowError:
        return False


def _as_python(text: str) -> str | None:
    """`text` respelled, if it is Python as `parse_expr` takes it: None if not, "" if it has no value that can be compared."""
    pieces: list[str] = []
    closings: list[str] = []
    after_operand, valued = False, True
    for found in _PYTHON_TOKEN.finditer(text):
        name, number, mark = found["name"], found["number"], found["mark"]
        called = text.startswith("(", found.end())
        if name is not None or number is not None or mark in _PYTHON_OPENING:
            if after_operand or (number and called):
                return None  # 2x and 2(x + 1) are no Python
            after_operand = not (mark or called)
        elif mark in _PYTHON_SIGNS or after_operand:
            after_operand = mark in ")]}!"
        else:
            return None
        if name:
            known = _PYTHON_FUNCTIONS if called else _PYTHON_CONSTANTS
            valued &= name in known or len(name) == 1
            pieces.append(known.get(name) or (_function(name) if called else _variable(name)))
            continue
        if mark in _PYTHON_OPENING:
            closings.append(_PYTHON_OPENING[mark])
            valued &= mark == "("
        elif mark in (")", "]", "}"):
            if not closings or closings.pop() != mark:
                return None
        elif mark == ",":
            valued &= bool(closings)
        elif mark and mark not in _PYTHON_OPERATORS:
            return None
        pieces.append(mark or number)
    if closings or not after_operand:
        return None
    if "^" in text:  # Python's exclusive or: of integers a number, of two variables a condition, of others an error
        return "" if _PYTHON_XOR.fullmatch(text) else None
    return "".join(pieces) if valued else ""


def _as_latex(text: str) -> str:
    """`text` respelled as `parse_latex` takes it; "" if it has no value that can be compared.

    It reads no further than to the comma of a list, the base of a numeral or a bracket too many, takes `x(y)` for a function,
    letters and `\\pi` for variables, `\\log` for the natural logarithm, and all factors after a `/` for the denominator.
    """
    if _LATEX_UNREADABLE.search(text):
        return ""
    text = _LATEX_END.split(_LATEX_SPACING.sub("", text), maxsplit=1)[0].replace(":", "/")
    text = _LATEX_DENOMINATOR.sub(r"/{\1}", plain(_balanced(text)))
    return _LATEX_TOKEN.sub(_latex_token, text.replace(r"\log", r"\ln").replace(r"\ln_", r"\log_"))


def _balanced(text: str) -> str:
    """`text` up to the first bracket that closes none."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if depth < 0:
            return text[:at]
    return text


def _latex_token(found: re.Match[str]) -> str:
    token = found[0]
    if token == r"\pi":
        return _variable("pi")
    if token.endswith("("):
        return _function(token[0]) + "("
    return token if len(token) > 1 else _variable(token)


def _function(letter: str) -> str:
    """The `f` of `f(x)`, as a factor that nothing else is equal to."""
    return rf"\function{letter} "


def _variable(name: str) -> str:
    """A name that our parser takes for no constant."""
    return f" {name} " if len(name) == 1 and name not in "ei" else rf"\variable{name.replace('_', '')} "


def _parsed(text: str) -> Node | None:
    if not text:
        return None
    try:
        node = parse(text, join_groups=True)
    except Unreadable:
        return None
    return node if is_arithmetic(node) and not any(isinstance(part, Quantity) for part in walk(node)) else None
