"""The lexer: plain LaTeX or ASCII mathematics to tokens, in linear time."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_TOKENS = 12_000


class Unreadable(Exception):
    """The text is no mathematics that the parser knows, or is too large."""


class Token(NamedTuple):
    """A piece of the text.

    `kind` is `number`, `word` (a run of letters), `macro`, `text` (the content of a \\text{}), `op`, or `end`. `spaced`: there
    is space before it.
    """

    kind: str
    value: str
    spaced: bool = False


END = Token("end", "")

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|~|\$|\\[,;:>\ ])+)
    |(?P<number>[0-9]+(?:\.(?!\.)[0-9]*)?(?:[eE][+-]?[0-9]+(?![0-9A-Za-z]))?|\.[0-9]+)
    |\\(?:mathbf|mathit|mathsf|boldsymbol|mathnormal|bm|pmb)\s*\{\s*(?P<letter>[A-Za-z])\s*\}
    |\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mathit|mathsf|mathnormal|mbox|hbox|operatorname\*?|emph|boldsymbol)\s*\{(?P<text>(?:[^{}]++|\{[^{}]*+\})*+)\}
    |(?P<macro>\\[A-Za-z]+|\\[{}|\\])
    |(?P<word>[A-Za-z]+)
    |(?P<op>\*\*|<=|>=|!=|==|:=|->|\.\.\.|'+|[^\s])
    """,
    re.VERBOSE,
)
_GROUPED = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:(?:,[0-9]{3})+|(?:\ [0-9]{3})+)(?![0-9]|,[0-9]|\ [0-9])")
_SEPARATOR = re.compile("[, ]")


def has_grouped_digits(text: str) -> bool:
    """Whether `text` has digits that may be thousands or a list: `12,345`."""
    return _GROUPED.search(text) is not None


def _joined(found: re.Match[str], outside: bool) -> str:
    before = found.string[: found.start()]
    depth = sum(map(before.count, "([")) + before.count(r"\{") - sum(map(before.count, ")]")) - before.count(r"\}")
    return _SEPARATOR.sub("", found[0]) if (depth <= 0) == outside else found[0]


def tokenize(text: str, join_groups: bool) -> list[Token]:
    """The tokens of `text`, closed by END. Raises Unreadable.

    `12,345` is one number outside of brackets and two within; without `join_groups` the other way round.
    """
    text = _GROUPED.sub(lambda found: _joined(found, join_groups), text)
    tokens: list[Token] = []
    spaced = False
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind == "space":
            spaced = True
            continue
        assert kind is not None
        if kind == "letter":
            kind = "word"
            if found["letter"] in "ijk":  # the unit vectors
                tokens.append(Token("macro", r"\vec", spaced))
        tokens.append(Token(kind, found[found.lastgroup or kind], spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise Unreadable("more tokens than are read")
    tokens.append(END)
    return tokens
