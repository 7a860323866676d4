"""Where answers and maths stand in a text."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = re.compile(
    r"\s*+(?:\\(?:angle|triangle|overline|vec)\b\s*+)?\{?(?:[A-Z]{1,10}|[A-Za-z]{1,3})(?:_\{?\w+\}?)?'?(?:\([a-z]\))?\}?\s*+"
)
"""The content of a maths span that is only a name: `f(x)`, `\\angle ABC`."""


class Extraction(NamedTuple):
    """The final answer, the rule that found it, and where it stands in the text (start, end)."""

    answer: str
    rule: str
    span: tuple[int, int]


class Span(NamedTuple):
    """Maths between delimiters: where the whole stands, and where its content does."""

    start: int
    end: int
    inner: tuple[int, int]


_DELIMITER = re.compile(r"\$\$?|\\(?:[()\[\]]|.)|\n[ \t\r]*+\n", re.DOTALL)
_CLOSERS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_PROSE_WORD = re.compile(
    r"(?<![\\A-Za-z])(?:and|are|each|for|has|he|is|of|or|per|she|so|the|they|to|was|with)(?![A-Za-z])"
)
_TEXT_GROUP = re.compile(r"\\(?:text[a-z]*+|mbox|mathrm)\s*+\{[^{}]*+\}")


def has_maths(text: str) -> bool:
    """Whether `text` holds a delimiter of maths."""
    return "$" in text or "\\(" in text or "\\[" in text


def maths_spans(text: str, start: int, end: int) -> list[Span]:
    """The spans `$…$`, `$$…$$`, `\\(…\\)` and `\\[…\\]` between `start` and `end`, in order; `$5 and $` is none."""
    spans: list[Span] = []
    opener, opened = "", start
    for token in _DELIMITER.finditer(text, start, end):
        mark, at = token[0], token.start()
        if opener == "$" and mark[0] == "$":
            if _is_maths(text, opened + 1, at):
                spans.append(Span(opened, at + 1, (opened + 1, at)))
                opener, opened = mark[1:], at + 1  # the second sign of $a$$b$ opens again
            else:
                opener, opened = mark, at
        elif opener and mark == _CLOSERS[opener]:
            spans.append(Span(opened, token.end(), (opened + 2, at)))
            opener = ""
        elif mark[0] == "\n":
            opener = "" if opener in ("$", "\\(") else opener
        elif mark == opener or (not opener and mark in _CLOSERS):
            opener, opened = mark, at
    return spans


def _is_maths(text: str, start: int, end: int) -> bool:
    """Whether what stands between two dollar signs is maths, and not the words between two amounts of money."""
    if start == end or text[end + 1 : end + 2].isdigit() or text[start:end].isspace():
        return False
    if text[end - 1].isspace() and text[start].isdigit():
        return False
    inner = text[start:end]
    return not (_PROSE_WORD.search(inner) and _PROSE_WORD.search(_TEXT_GROUP.sub("", inner)))


NUMBER = re.compile(
    r"""(?<![\w.^√]) (?<![_^]\{) (?<![_^]\{[-−]) (?<!\^[-−]) (?<!sqrt[({]) (?<![Nn]ot[ ]) (?<!n['’]t[ ])
    (?: (?<![\w.,)\]}]) [-−] )? (?<![\w.]) (?:\\?[$€£])?
    (?:
        (?: [0-9]{1,3}[ ] (?=[0-9]++/[0-9]) )?                          # 3 of 3 1/2
        (?: [0-9]{1,3}(?:(?:,|\{,\})[0-9]{3})++(?![0-9]) | [0-9]++ | (?=\.[0-9]) ) (?:\.[0-9]++)?
        (?: /[0-9]++ | [¼-¾⅐-⅞] | [ ]?\\[dt]?frac\{[0-9]++\}\{[0-9]++\} )?
      | \\[dt]?frac \{ [-−]?[0-9.,]++ \} \{ [0-9.,]++ \}
      | [¼-¾⅐-⅞]
    )
    (?! (?:st|nd|rd|th)\b )
    (?: [ ]?(?:×|x|\\times|\\cdot)[ ]?10(?:\^\{?[-−]?[0-9]++\}?)
      | [eE][-+]?[0-9]++(?!\w) | (?: :[0-9]++)++ | \^\{?[-−]?[0-9]++\}? | [ ]?\\?(?:π|pi\b) | √[0-9]++ | \\sqrt\{[0-9]++\} )?
    (?:\\?%)?""",
    re.VERBOSE,
)
"""A number as it stands in running text: sign, currency, thousands commas, decimals, fraction, power, percent; also `10:30`.
The digits of indices and exponents, of words (`x2`, `5th`) and of `not 5` are none."""


def last_number(text: str) -> re.Match[str] | None:
    """The last number of `text`; no number crosses a line."""
    end = len(text)
    while end > 0:
        start = text.rfind("\n", 0, end) + 1
        numbers = list(NUMBER.finditer(text, start, end))
        if numbers:
            return numbers[-1]
        end = start - 1
    return None


BLANKS = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def trimmed(text: str, start: int, end: int, left: str = BLANKS, right: str = BLANKS) -> tuple[int, int]:
    """`start` and `end` without the characters `left` and `right` at the ends of what stands between them."""
    content = text[start:end].lstrip(left)
    return end - len(content), end - len(content) + len(content.rstrip(right))


def found_at(text: str, start: int, end: int, rule: str) -> Extraction | None:
    """What stands between `start` and `end`, without the blanks around it, if that is anything."""
    start, end = trimmed(text, start, end)
    return Extraction(text[start:end], rule, (start, end)) if start < end else None
