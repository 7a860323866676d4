"""Text that came from outside: suggestions for misspelled names, display that cannot break a terminal, storage."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def closest(name: str, known: Iterable[str], most: int = 30) -> str:
    """A hint that names the closest known names, or `most` of all where none is close: `did you mean 'gsm8k'?`."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{item}'" for item in near) + "?"
    more = f", … ({len(names) - most} more)" if len(names) > most else ""
    return "known: " + (", ".join(names[:most]) + more if names else "none")


def printable(text: str, limit: int = 2000) -> str:
    """`text` on a terminal: control and bidirectional characters shown as escapes, cut after `limit` characters."""
    cut = text[:limit]
    shown = "".join(char if char == "\n" or char.isprintable() else _escape(char) for char in cut)
    return shown if len(text) <= limit else f"{shown}… ({len(text) - limit} more characters)"


def one_line(text: str, limit: int = 300) -> str:
    """`printable` text folded to a single line, for error messages and table cells."""
    return printable(" ".join(text.split()), limit)


def storable(value: Any) -> Any:
    """Plain data with each half of a surrogate pair, which UTF-8 cannot hold, replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
