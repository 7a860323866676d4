"""Handling of text that came from outside: suggestions for misspelled names, and display that cannot break a terminal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known names, or all of them where none is close: `did you mean 'gsm8k'?`."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{item}'" for item in near) + "?"
    return "known: " + (", ".join(names) if names else "none")


def printable(text: str, limit: int = 2000) -> str:
    """`text` on a terminal: control and bidirectional characters shown as escapes, cut after `limit` characters."""
    cut = text[:limit]
    shown = "".join(char if char == "\n" or char.isprintable() else _escape(char) for char in cut)
    return shown if len(text) <= limit else f"{shown}… ({len(text) - limit} more characters)"


def one_line(text: str, limit: int = 300) -> str:
    """`printable` text folded to a single line, for error messages and table cells."""
    return printable(" ".join(text.split()), limit)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
