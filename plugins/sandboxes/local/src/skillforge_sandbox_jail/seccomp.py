"""The filter of system calls that a worker and all that it starts live under, as a BPF program.

What is refused gives EPERM, as a lack of rights does, so that programs go on. Refused are calls that reach beyond the
session's own files and processes, that hide memory from its limits, or that have no use but attacks on the kernel.
Source: the kernel's `userspace-api/seccomp_filter.rst`; numbers from `syscall_64.tbl` and `asm-generic/unistd.h`.
"""

from __future__ import annotations

import errno
import struct

from skillforge_sandbox_jail.linux import ALL_NAMESPACES, CLONE_NEWCGROUP

_REFUSED: dict[str, tuple[int, int | None]] = {
    # name: (x86-64, aarch64), None where the architecture has no such call
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "statmount": (457, 457),
    "listmount": (458, 458), "open_tree_attr": (467, 467), "unshare": (272, 97), "setns": (308, 268),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "msgget": (68, 186), "msgsnd": (69, 189), "semget": (64, 190), "mq_open": (240, 180),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241), "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "lookup_dcookie": (212, 18),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116), "vhangup": (153, 58),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "uselib": (134, None),
    "personality": (135, 92), "mbind": (237, 235), "set_mempolicy": (238, 237), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "nfsservctl": (180, 42),
    "inotify_init": (253, None), "inotify_init1": (294, 26),  # they tell what others do with files that all may read
}  # fmt: skip
_REFUSED_AMONG_OTHERS: dict[str, tuple[int, int | None]] = {
    # Landlock does not cover them: without namespaces, code could reach the user's other files and processes.
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "chmod": (90, 52), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, 55), "fchown": (93, 55), "lchown": (94, 55), "fchownat": (260, 54),
    "utime": (132, 88), "utimes": (235, 88), "futimesat": (261, 88), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE, _CLONE3, _SOCKET, _SOCKETPAIR = (56, 220), (435, 435), (41, 198), (53, 199)
_IOCTL, _PRLIMIT = (16, 29), (302, 261)
_FIRST_X32_CALL = 0x40000000
_UNIX, _INET, _INET6 = 1, 2, 10
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in struct seccomp_data
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def program(architecture: str, private: bool) -> bytes:
    """The filter. `private`: whether the session has a network and a root of its own, and so may use them."""
    column, audit = _ARCHITECTURES[architecture]
    refused = _REFUSED if private else _REFUSED | _REFUSED_AMONG_OTHERS
    numbers = sorted({number for call in refused.values() if (number := call[column]) is not None})
    refuse = _return(_ERRNO | errno.EPERM)
    families = (_UNIX, _INET, _INET6) if private else ()
    return b"".join(
        [
            _load(_ARCHITECTURE),
            *_unless(_JUMP_EQUAL, audit, _return(_KILL)),
            _load(_NUMBER),
            *_where(_JUMP_AT_LEAST, _FIRST_X32_CALL, refuse),
            *(part for number in numbers for part in _where(_JUMP_EQUAL, number, refuse)),
            *_where(_JUMP_EQUAL, _CLONE3[column], _return(_ERRNO | errno.ENOSYS)),  # then libraries use clone
            *_on_call(
                _CLONE[column],
                _load(_FIRST_ARGUMENT),
                *_where(_JUMP_ANY_BIT, ALL_NAMESPACES | CLONE_NEWCGROUP, refuse),
            ),
            *_on_call(
                _SOCKET[column],
                _load(_FIRST_ARGUMENT),
                *(part for family in families for part in _where(_JUMP_EQUAL, family, _return(_ALLOW))),
                _return(_ERRNO | errno.EAFNOSUPPORT),
            ),
            *_on_call(
                _SOCKETPAIR[column],
                _load(_FIRST_ARGUMENT),
                *_where(_JUMP_EQUAL, _UNIX, _return(_ALLOW)),
                _return(_ERRNO | errno.EAFNOSUPPORT),
            ),
            *_on_call(
                _PRLIMIT[column],
                _load(_FIRST_ARGUMENT),
                *_where(_JUMP_EQUAL, 0, _return(_ALLOW)),  # 0: the caller's own limits
                refuse,
            ),
            *_on_call(
                _IOCTL[column],
                _load(_SECOND_ARGUMENT),
                *(part for call in (_TIOCSTI, _TIOCLINUX) for part in _where(_JUMP_EQUAL, call, refuse)),
            ),
            _return(_ALLOW),
        ]
    )


def _on_call(number: int, *body: bytes) -> list[bytes]:
    """`body` where the call has this number; what falls through it is allowed."""
    return [_jump(_JUMP_EQUAL, number, 0, len(body) + 1), *body, _return(_ALLOW)]


def _where(test: int, value: int, then: bytes) -> list[bytes]:
    return [_jump(test, value, 0, 1), then]


def _unless(test: int, value: int, then: bytes) -> list[bytes]:
    return [_jump(test, value, 1, 0), then]


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", _LOAD, 0, 0, offset)


def _jump(test: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", test, if_true, if_false, value)


def _return(action: int) -> bytes:
    return struct.pack("=HBBI", _RETURN, 0, 0, action)
