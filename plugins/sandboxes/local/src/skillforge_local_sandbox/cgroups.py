"""Memory limits that the kernel itself keeps: a cgroup for each session, where this user may make some.

Of version 1 a folder beside the supervisor's own group is enough; of version 2 the memory controller must have been delegated.
Source: the kernel's `admin-guide/cgroup-v1/memory.rst` and `admin-guide/cgroup-v2.rst`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Self

ROOT = Path("/sys/fs/cgroup")


class Group:
    """One cgroup, for one session at a time."""

    def __init__(self, folder: Path, limit_file: str, events_file: str, limit: int) -> None:
        self.folder = folder
        self._events = folder / events_file
        folder.mkdir()
        (folder / limit_file).write_text(str(limit))
        self._kills_before = 0

    def add(self, pidfd: int) -> None:
        """Put a process in, and all that it will start."""
        self._kills_before = self._kills()
        for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
            if line.startswith("Pid:"):
                (self.folder / "cgroup.procs").write_text(line.split()[1])

    def ran_out(self) -> bool:
        """Whether the kernel has ended a process of this session for its memory."""
        return self._kills() > self._kills_before

    def _kills(self) -> int:
        lines = self._events.read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


class Groups:
    """The cgroups of a pool; each is used again when its session has ended."""

    def __init__(self, folder: Path, limit_file: str, events_file: str, limit: int) -> None:
        self.folder = folder
        self._files = (limit_file, events_file)
        self._limit = limit
        self._made = 0
        self._free: list[Group] = []

    @classmethod
    def find(cls, limit: int) -> Self | None:
        """Groups with a limit in bytes, or None where this user may make none."""
        name = f"skillforge-{os.getpid()}-{secrets.token_hex(4)}"
        for base, limit_file, events_file in _places():
            groups = cls(base / name, limit_file, events_file, limit)
            with contextlib.suppress(OSError):
                groups.folder.mkdir()
                groups._free.append(groups._make())
                return groups
            groups.close()
        return None

    def take(self) -> Group:
        return self._free.pop() if self._free else self._make()

    def give_back(self, group: Group) -> None:
        self._free.append(group)

    def close(self) -> None:
        """Remove the groups; all sessions have ended."""
        for folder in (*self.folder.glob("*/"), self.folder):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _make(self) -> Group:
        self._made += 1
        return Group(self.folder / str(self._made), *self._files, self._limit)


def _places() -> list[tuple[Path, str, str]]:
    """Where groups may be made: beside or below this process's own, in either version."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found.append((ROOT / "memory" / path.lstrip("/"), "memory.limit_in_bytes", "memory.oom_control"))
        elif number == "0":
            found.append((ROOT / path.lstrip("/"), "memory.max", "memory.events"))
    return [place for place in found if place[0].is_dir()]
