"""Natural order of names: `2` before `10`, `test/9` before `test/10`."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")


def natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort key: runs of digits compare as numbers (of any length), the rest as text without regard to case."""
    return [_part(part) for part in _DIGITS.split(name) if part], name


def _part(part: str) -> tuple[bool, int, str]:
    if part[0] in "0123456789":
        number = part.lstrip("0")
        return False, len(number), number
    return True, 0, part.casefold()
