"""Tracebacks as DeepSeekMath's models are shown them."""

from __future__ import annotations

import re

_HEADING = "Traceback (most recent call last):"
_FRAME = re.compile(r'  File "([^"]*)", line [0-9]+, in ')
_LIBRARIES = "site-packages"


def short_traceback(stderr: str) -> str:
    """The last traceback in `stderr`, of the model's own code with the functions' names alone, of libraries with the source.

    The models' code came from a text, not from a file, so that its source never stood in a traceback.
    """
    kept = []
    own_source = False
    for line in stderr.rpartition(_HEADING)[2].split("\n"):
        frame = _FRAME.match(line)
        if frame is None:
            own_source = own_source and line.startswith("    ")
            if not own_source:
                kept.append(line)
            continue
        own_source = frame[1].startswith("<")
        place = line[frame.end() :]
        if place != "<module>" or not own_source:
            _, library, path = frame[1].partition(_LIBRARIES)
            kept.append(f'  File "{library}{path}", in {place}' if library else f"  in {place}")
    return "\n".join(kept).strip()
