"""Which processes a session leaves behind, by the traces that Linux shows of them.

A session is marked when it begins: its processes inherit the mark as their name, or in their environment. And while the
attack lasts, orphans become children of this process, whoever started them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from skillforge.testing.processes import is_running

PROC = Path("/proc")
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37

MARKING = """
import os
sf_attack = os.environ["SF_ATTACK"] = {mark!r}
try:
    import ctypes
    ctypes.CDLL(None).prctl(15, sf_attack.encode(), 0, 0, 0)
except Exception:
    pass
"""
"""A cell that marks its session. The mark must have 15 bytes at most: longer names of processes are cut."""


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Processes whose parent has ended become children of this one, not of pid 1."""
    libc = ctypes.CDLL(None)
    before = ctypes.c_int()
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def descendants() -> set[int]:
    """All that this process and its descendants have started and that still runs."""
    found: set[int] = set()
    unread = [os.getpid()]
    while unread:
        with contextlib.suppress(OSError):  # it has ended
            for file in (PROC / str(unread.pop()) / "task").glob("*/children"):
                children = set(map(int, file.read_text().split())) - found
                found |= children
                unread += children
    return {pid for pid in found if is_running(pid)}


def marked(mark: str) -> set[int]:
    """The processes with this mark, wherever they came from."""
    return {int(folder.name) for folder in PROC.glob("[0-9]*") if _has_mark(folder, mark.encode())}


def _has_mark(folder: Path, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        if mark == (folder / "comm").read_bytes().rstrip(b"\n"):
            return is_running(int(folder.name))
    with contextlib.suppress(OSError):
        return b"SF_ATTACK=" + mark in (folder / "environ").read_bytes()
    return False
