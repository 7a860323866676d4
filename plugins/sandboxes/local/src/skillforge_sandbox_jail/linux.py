"""The system calls that Python's standard library does not offer, for x86-64 and aarch64.

Each raises OSError as the functions of `os` do. Numbers: the kernel's `syscall_64.tbl` and `asm-generic/unistd.h`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Sequence

ARCHITECTURE = platform.machine()

_NUMBERS = {
    "x86_64": {"clone": 56, "capset": 126, "pivot_root": 155},
    "aarch64": {"clone": 220, "capset": 91, "pivot_root": 41},
}
_SAME_EVERYWHERE = {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
ALL_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 24, 36, 38
SECCOMP_MODE_FILTER = 2

# With the interpreter's lock held: a child made by `clone` must not find that another thread took it.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.syscall.restype = ctypes.c_long


def supported() -> bool:
    """Whether the numbers of this machine's system calls are known."""
    return ARCHITECTURE in _NUMBERS


def syscall(name: str, *arguments: int | bytes | None) -> int:
    """Call the kernel by name."""
    number = _SAME_EVERYWHERE.get(name) or _NUMBERS[ARCHITECTURE][name]
    typed = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *typed), name)


def clone(namespaces: int) -> int:
    """`os.fork()` into new namespaces. Must be called by the only thread."""
    api = ctypes.pythonapi
    api.PyOS_BeforeFork()
    pid = _libc.syscall(*map(ctypes.c_long, (_NUMBERS[ARCHITECTURE]["clone"], namespaces | signal.SIGCHLD, 0, 0, 0, 0)))
    if pid == 0:
        api.PyOS_AfterFork_Child()
    else:
        api.PyOS_AfterFork_Parent()
    return _checked(pid, "clone")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _checked(_libc.mount(_c(source), _c(target), _c(kind), flags, _c(data)), target)


def make_read_only(place: str) -> None:
    """Make a mount and all below it read-only, without devices and set-user-id programs. Needs Linux 5.12."""
    at_fdcwd, at_recursive, read_only_nosuid_nodev = -100, 0x8000, 1 | 2 | 4
    attributes = struct.pack("QQQQ", read_only_nosuid_nodev, 0, 0, 0)
    syscall("mount_setattr", at_fdcwd, os.fsencode(place), at_recursive, attributes, len(attributes))


def unmount(target: str) -> None:
    """Take a mount out of sight at once; it ends when nothing uses it any more."""
    _checked(_libc.umount2(_c(target), MNT_DETACH), target)


def pivot_root(new_root: str) -> None:
    """Make `new_root`, a mount point, the root of this mount namespace; nothing of the old one stays."""
    os.chdir(new_root)
    syscall("pivot_root", b".", b".")
    unmount(".")
    os.chdir("/")


def prctl(option: int, *arguments: int | ctypes.Array[ctypes.c_char]) -> None:
    padded = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *padded), f"prctl {option}")


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0):
            break  # beyond the last one that this kernel knows
    version_3 = 0x20080522
    syscall("capset", struct.pack("Ii", version_3, 0), bytes(24))


def apply_seccomp(program: bytes) -> None:
    """Filter this process's system calls. `program` is BPF; needs no_new_privs."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)))


def write_id_maps(pid: int, uids: Sequence[tuple[int, int, int]], gids: Sequence[tuple[int, int, int]]) -> None:
    """Map ids of a new user namespace: (inside, outside, count)."""
    for name, lines in (("setgroups", "deny"), ("uid_map", uids), ("gid_map", gids)):
        text = lines if isinstance(lines, str) else "\n".join(" ".join(map(str, line)) for line in lines)
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)


def _checked(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return int(result)


def _c(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)
