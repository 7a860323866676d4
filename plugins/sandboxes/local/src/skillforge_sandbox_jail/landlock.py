"""Landlock: what a process may do with files, TCP and its neighbours, for itself and all that it starts.

Source: the kernel's `userspace-api/landlock.rst`; the rights of each version are listed there.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable

from skillforge_sandbox_jail.linux import syscall

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV

_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights on files, by the first version that knows them."""

_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3
_VERSION, _BENEATH_PATH = 1, 1


def version() -> int:
    """The kernel's Landlock version; 0 where it has none, or where it is off."""
    try:
        return syscall("landlock_create_ruleset", None, 0, _VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            return 0
        raise


def restrict(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], known: int) -> None:
    """Allow this process what is below these paths, and nothing else; no TCP; no signals or abstract sockets to others.

    `known` is the kernel's version. Paths that do not exist are left out. Needs no_new_privs.
    """
    rights = max(value for since, value in _FILE_RIGHTS.items() if since <= known)
    attributes = struct.pack(
        "QQQ", rights, _BIND_AND_CONNECT_TCP if known >= 4 else 0, _ABSTRACT_SOCKETS_AND_SIGNALS if known >= 6 else 0
    )
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = syscall("landlock_create_ruleset", attributes[:size], size, 0)
    for paths, allowed in ((readable, READ), (writable, rights), (devices, DEVICE)):
        for path in paths:
            _allow(ruleset, path, allowed & rights)
    syscall("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= _ON_FILES
    syscall("landlock_add_rule", ruleset, _BENEATH_PATH, struct.pack("=Qi", rights, place), 0)
    os.close(place)
