"""A judge's reply: its last line is the verdict, or there is none."""

from __future__ import annotations

import re
from collections.abc import Collection

from skillforge.text import one_line

_MARKS = str.maketrans("", "", "*_`")
_LINE = re.compile(r"verdict: ?([a-z]+)\.?")
_LONGEST_LINE = 80


class Unreadable(Exception):
    """The reply holds no verdict; the message says why."""


def read_verdict(reply: str, words: Collection[str]) -> str:
    """The one of `words` (in lower case) that the last line names, in the form `Verdict: word`.

    Case, bold marks and a full stop do not matter. Raises Unreadable where the last line has another form, and where an
    earlier line in that form names another word: such a reply quotes somebody, or contradicts itself.
    """
    lines = [line for line in map(str.strip, reply.split("\n")) if line]
    if not lines:
        raise Unreadable("it is empty")
    verdict = _word(lines[-1], words)
    if verdict is None:
        raise Unreadable(f"it ends with '{one_line(lines[-1], _LONGEST_LINE)}'")
    said = sorted({word for line in lines if (word := _word(line, words)) is not None})
    if said != [verdict]:
        raise Unreadable(f"it gives several verdicts: {', '.join(said)}")
    return verdict


def _word(line: str, words: Collection[str]) -> str | None:
    if len(line) > _LONGEST_LINE:
        return None
    found = _LINE.fullmatch(line.translate(_MARKS).strip().lower())
    return found[1] if found and found[1] in words else None
