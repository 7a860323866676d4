"""The processes of this machine, as /proc tells of them; on other systems than Linux there seem to be none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def find_marked(mark: str) -> int | None:
    """The process whose command line holds `mark`, wherever it came from."""
    for folder in PROC.glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue  # it has ended
    return None


def is_running(pid: int) -> bool:
    """Whether `pid` is there and no zombie."""
    state = _state_and_parent(PROC / str(pid))
    return state is not None and state[0] not in "ZX"


def proportional_bytes() -> dict[int, int] | None:
    """The memory of each descendant of this process, with what several share divided among them (PSS).

    None where that of one may not be read.
    """
    found = {}
    for pid in _descendants():
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            return None
        found[pid] = sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found


def _descendants() -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        if state := _state_and_parent(folder):
            children.setdefault(state[1], []).append(int(folder.name))
    waiting = [os.getpid()]
    while waiting:
        born = children.get(waiting.pop(), [])
        waiting += born
        yield from born


def _state_and_parent(folder: Path) -> tuple[str, int] | None:
    try:
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return state, int(parent)
