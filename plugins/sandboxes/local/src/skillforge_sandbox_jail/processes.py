"""The processes of a session: all that its init, in which this runs, has below it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from posix import _exit  # which code may replace in `os`
from typing import NoReturn

PAGE = os.sysconf("SC_PAGE_SIZE")


def left_by(worker: int, keep: Collection[int]) -> list[int]:
    """The processes that descend from `worker`, or from none of `keep`; not `worker` itself, none of `keep`, no zombies.

    With `worker` 0, all but `keep` and what those have started.
    """
    parents = descendants()
    spared = {os.getpid(), worker, *keep}
    found = [pid for pid in parents if pid not in spared and _nearest(pid, parents, spared) not in keep]
    return [pid for pid in found if is_alive(pid)]


def _nearest(pid: int, parents: dict[int, int], marked: Collection[int]) -> int:
    """The nearest ancestor that is in `marked`."""
    while (pid := parents.get(pid, os.getpid())) not in marked:
        pass
    return pid


def descendants() -> dict[int, int]:
    """Process -> parent, of all that this process and its descendants have started and that are not waited for."""
    parents: dict[int, int] = {}
    unread = [os.getpid()]
    while unread:
        parent = unread.pop()
        for pid in _children(parent):
            if pid not in parents:
                parents[pid] = parent
                unread.append(pid)
    return parents


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def is_alive(pid: int) -> bool:
    """Whether it has not ended; a zombie has."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in b"ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def of_user(user: int) -> int:
    """How many threads a user has, on the whole machine: outside of namespaces the kernel counts them together."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
    return count


class MemoryGauge:
    """What the processes of a session hold, without the pages that all share with the zygote."""

    def __init__(self, worker: int) -> None:
        self._inherited = _resident(worker)

    def at_most(self) -> int:
        """Bytes, with a page that processes share counted for each of them; cheap."""
        return sum(_resident(pid) for pid in descendants()) - self._inherited

    def measure(self, enough: int) -> int:
        """Bytes, with each shared page counted once, up to where there are `enough`; takes a millisecond for each process."""
        all_pages, unshared, held = 0, 0, 0
        for pid in descendants():
            proportional, private = _shares(pid)
            all_pages, unshared = all_pages + proportional, unshared + private
            if (held := max(all_pages - self._inherited, unshared)) > enough:
                return held
        return held


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _shares(pid: int) -> tuple[int, int]:
    """Bytes of the process: each page divided by those that share it, and of those pages that it shares with no other."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            sizes = {line.split(b":")[0]: int(line.split()[1]) * 1024 for line in file if line.endswith(b"kB\n")}
            return sizes[b"Pss"], sizes[b"Private_Clean"] + sizes[b"Private_Dirty"]
    except (OSError, KeyError):
        return _resident(pid), 0


def run_child(main: Callable[[], object]) -> NoReturn:
    """Run `main` as all that is left of this process."""
    status = 1
    try:
        main()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _exit(status)
