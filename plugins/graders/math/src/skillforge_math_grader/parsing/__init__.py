"""The parser: school LaTeX, ASCII mathematics and the printed forms of Python and sympy, to a typed tree.

Recursive descent with hard limits on tokens and depth. Nothing is evaluated, and whatever it does not know makes the whole
answer a text. Read as in schools: `1/2x` goes from left to right, `-2^2` is -4, `2^3^2` is 2^9, `\\log` has the base 10.

The classes build on each other: `Cursor` moves over the tokens, `Functions` and `Atoms` read values, `Arithmetic` joins them,
and `Answers` reads lists, relations, sets and units.
"""

from __future__ import annotations

from skillforge_math_grader.parsing.answers import Answers
from skillforge_math_grader.tokens import Unreadable, tokenize
from skillforge_math_grader.tree import Node

__all__ = ["parse"]


def parse(text: str, join_groups: bool = True) -> Node:
    """The tree of an answer (`plain` text). Raises Unreadable.

    `join_groups`: `12,345` is one number outside of brackets and two within; else the other way round.
    """
    try:
        return Answers(tokenize(text, join_groups)).answer()
    except (ValueError, ZeroDivisionError) as error:
        raise Unreadable(str(error)) from None
