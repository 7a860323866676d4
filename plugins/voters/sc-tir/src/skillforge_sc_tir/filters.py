"""Which answers may vote: whole numbers within bounds, counted modulo a number."""

from __future__ import annotations

import re

_DECORATION = re.compile(r"\\[,!;:]|\$")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:,|\{,\})(?=[0-9]{3}(?![0-9]))")
_WHOLE = re.compile(r"[+-]?[0-9]+(?:\.0*)?")

LONGEST = 100
"""Characters of an answer that may be a whole number."""


def whole_number(answer: str) -> int | None:
    """The integer that `answer` writes, such as `45`, `45.0`, `$-45$` or `1,234`; None where it writes anything else."""
    if len(answer) > LONGEST:
        return None
    bare = _THOUSANDS.sub("", _DECORATION.sub("", answer)).strip()
    return int(bare.partition(".")[0]) if _WHOLE.fullmatch(bare) else None


def within(number: int, minimum: int | None, maximum: int | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)
