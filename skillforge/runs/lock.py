"""One writer per run: an advisory lock that the operating system drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from skillforge.errors import SkillForgeError
from skillforge.runs.rows import write_errors


@contextlib.contextmanager
def run_lock(directory: Path) -> Iterator[None]:
    """Hold the run in `directory`; raises SkillForgeError where another process does."""
    path = directory / "run.lock"
    with write_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise SkillForgeError(
                f"the run {directory} is in use by process {holder}",
                "wait for it to end, or stop it",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(handle)
