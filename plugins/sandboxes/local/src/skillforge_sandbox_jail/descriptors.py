"""File descriptors that code under test is not likely to meet by accident."""

from __future__ import annotations

import fcntl
import os

PRIVATE = 200
"""The first descriptor for private use. Below the limit on open files, above what programs count up to."""


def keep_privately(number: int) -> int:
    """A copy of a descriptor, out of the way and not passed on to other programs; the original is closed unless standard."""
    copy = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, PRIVATE)
    if number > 2:
        os.close(number)
    return copy
