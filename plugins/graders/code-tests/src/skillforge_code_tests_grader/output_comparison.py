"""What a program wrote against what it should have written."""

from __future__ import annotations

import math
import re

TOLERANCE = 1e-6
"""Relative and absolute, of numbers that have a fraction."""

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?")
_FRACTION = re.compile(r"[.eE]")


def same_output(expected: str, written: str) -> bool:
    """Whether both have the same words, however spaced; where a number with a fraction is expected, one that is near."""
    words, found = expected.split(), written.split()
    return len(words) == len(found) and all(map(_same, words, found))


def _same(expected: str, found: str) -> bool:
    if expected == found:
        return True
    if not (_NUMBER.fullmatch(expected) and _FRACTION.search(expected) and _NUMBER.fullmatch(found)):
        return False
    return math.isclose(float(expected), float(found), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
