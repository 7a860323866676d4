"""Tracebacks as NuminaMath's models are shown them: short, and without paths."""

from __future__ import annotations

import re

SCRIPT = "tmp.py"
"""The name of the file that the models' code was in."""

_OWN_FRAME = re.compile(r'  File "<cell [0-9]+>"')
"""A frame of the model's code, as the sandboxes of SkillForge name it; libraries' frames have paths."""


def own_frames(stderr: str) -> str:
    """Headings, the frames of the model's own code, each with its line of source, and the last line."""
    return _filtered(stderr, f'  File "{SCRIPT}"')


def with_frames_eaten(stderr: str) -> str:
    """The same as the released notebook has it, which takes the path out of a frame with all that follows it."""
    return _filtered(stderr, None)


def _filtered(stderr: str, frame: str | None) -> str:
    lines = stderr.strip("\n").split("\n")
    kept = []
    source_follows = False
    for line in lines[:-1]:
        own = _OWN_FRAME.match(line)
        if own is not None:
            kept.append('  File "' if frame is None else frame + line[own.end() :])
        elif source_follows or "Traceback" in line:
            kept.append(line)
        source_follows = own is not None
    return "\n".join([*kept, lines[-1]]).strip()
