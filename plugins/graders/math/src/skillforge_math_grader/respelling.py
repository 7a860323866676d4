"""Rare spellings, as the common ones that the rest knows."""

from __future__ import annotations

import re
from collections.abc import Callable


def _without_points(found: re.Match[str]) -> str:
    return found[1] + found[2].replace(".", "") + (found[3] or "").replace(",", ".")


_RESPELLINGS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (trigger, re.compile(pattern), replacement)
    for trigger, pattern, replacement in (
        ("_", r"(?<=[0-9])_(?=[0-9]{3}(?![0-9]))", ","),  # Python's 10_000
        ("'", r"(?<=[0-9])'(?=[0-9]{3}(?![0-9]))", ","),  # Swiss 10'000
        ("^", r"(?<=[0-9])\^ ?(?:o(?![A-Za-z])|\{ ?o ?\})", r"^\\circ "),
        (r"\mathbb", r"\\mathbb ?\{?R\}? ?(?:\^|_) ?(?:\+|\{ ?(?:\+|> ?0) ?\})", r"(0, \\infty)"),
        (r"\mathbb", r"\\mathbb ?\{?R\}? ?(?:\^|_) ?(?:-|\{ ?(?:-|< ?0) ?\})", r"(-\\infty, 0)"),
        ("Interval.", r"Interval\.(open|Lopen|Ropen)", r"Interval\1"),
        (r"\cr", r"\\cr(?![A-Za-z])", r"\\\\"),
        ("\\\\[", r"\\\\ ?\[[0-9.]{1,5} ?(?:pt|em|ex|mm|cm)\]", r"\\\\"),
        ("<", r"^\s*<([^<>=,]++(?:,[^<>=,]++)+)>\s*$", r"\\langle \1\\rangle "),
        (r"\begin", r"\\left ?\\(?:\{|lbrace) ?(?=\\begin\b)(?!.*\\right ?\\(?:\}|rbrace))", ""),
        (r"\left.", r"\\left ?\.", ""),
        (r"\right.", r"\\right ?\.", ""),
        (".", r"^\s*(-?[0-9]{1,3})\.([0-9]{3}(?:\.[0-9]{3})+)(,[0-9]+)?\s*$", _without_points),  # 1.000.000
        ("text", r"^\s*\\text ?\{([^{}]*[0-9][^{}]*)\}\s*$", r"\1"),
        ("(", r"^(.*[^( ]) ?\(or,? ([^()]+)\)\s*$", r"\1 or \2"),
        ("(", r"^(.*[^( ]) ?\((?:approximately|approx\.?|about|\\approx) ?[^()]*\)\s*$", r"\1"),
        ("color", r"\\(?:text)?color ?\{[^{}]*\}", ""),
        ("phantom", r"\\[hv]?phantom ?\{[^{}]*\}", ""),
        ("\\", r"\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])", ""),
        ("(", r"^\s*(-?[0-9][0-9.,/]*) ?\(([A-Za-z][A-Za-z ]*)\)\s*$", r"\1 \2"),  # 13 (apples)
        (")_", r"^\s*\(([0-9A-Fa-f]+)\)_", r"\1_"),
        ("__", r"^\s*__(.+)__\s*$", r"\1"),
        ("'", r"^\s*'([^']*)'\s*$", r"\1"),
        ("j", r"^\s*\(?(-?[0-9.]+ ?[+-] ?[0-9.]*)j\)?\s*$", r"\1i"),  # Python's complex numbers
        ("*I", r"(?<=[+-]) ?\*(?=I(?![A-Za-z]))", " "),  # a factor of 1 that was cut out of Python's 8 - 1*I
        ("R", r"\\mathbb ?\{R\} ?- ?(?=\\\{)", r"\\mathbb{R} \\setminus "),
    )
)


def respelled(text: str) -> str:
    """`text` in the common spelling."""
    for trigger, pattern, replacement in _RESPELLINGS:
        if trigger in text:
            text = pattern.sub(replacement, text)
    return text
