"""What this kernel lets this user do."""

from __future__ import annotations

import os
from typing import NamedTuple

from skillforge_sandbox_jail import landlock, linux

PR_GET_SECCOMP = 21


class Abilities(NamedTuple):
    """What of the walls can be had here."""

    namespaces: str
    """Empty where they can be made; else why not."""

    landlock: int
    seccomp: bool


def probe() -> Abilities:
    """Find out by trying. Must be called by the only thread of a process."""
    return Abilities(_try_namespaces(), landlock.version(), _has_seccomp())


def usable_ids() -> int:
    """How many user ids, from 0 on, exist in this user namespace."""
    count = 0
    with open("/proc/self/uid_map") as file:
        for line in file:
            first, _, length = map(int, line.split())
            if first == count:
                count += length
    return count


def _try_namespaces() -> str:
    """Make a namespace of each kind, and a mount in it; why that fails."""
    ours, theirs = os.pipe()
    go_on, release = os.pipe()
    try:
        pid = linux.clone(linux.ALL_NAMESPACES)
    except OSError as error:
        return f"clone: {error.strerror}"
    if pid == 0:
        try:
            os.read(go_on, 1)
            linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
            linux.mount("tmpfs", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV)
            linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
        except OSError as error:
            os.write(theirs, f"mount {error.filename}: {error.strerror}".encode())
        finally:
            os._exit(0)
    try:
        linux.write_id_maps(pid, [(0, os.geteuid(), 1)], [(0, os.getegid(), 1)])
    except OSError as error:
        os.write(theirs, f"uid_map: {error.strerror}".encode())
    os.write(release, b".")
    os.waitpid(pid, 0)
    os.close(theirs)
    with open(ours) as file:
        return file.read()


def _has_seccomp() -> bool:
    try:
        linux.prctl(PR_GET_SECCOMP)
    except OSError:
        return False
    return linux.supported()
