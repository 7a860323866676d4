"""The seccomp profile, asked from inside a container that has no other filter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skillforge_docker_sandbox.containers import restrictions

pytestmark = pytest.mark.xdist_group("docker")

EPERM, ENOSYS = 1, 38
NEW_USER, NEW_TIME = 0x10000000, 0x80

CALLS: dict[str, tuple[int, int, list[int]]] = {
    # what: (number on x86-64, on aarch64, arguments that do no harm)
    "io_uring_setup": (425, 425, [0, 0]), "io_uring_enter": (426, 426, [-1, 0, 0, 0]),
    "io_uring_register": (427, 427, [-1, 0, 0, 0]),
    "ptrace": (101, 117, [1, 0, 0, 0]), "process_vm_readv": (310, 270, [0, 0, 0, 0, 0, 0]),
    "process_vm_writev": (311, 271, [0, 0, 0, 0, 0, 0]), "process_madvise": (440, 440, [-1, 0, 0, 0, 0]),
    "pidfd_getfd": (438, 438, [-1, 0, 0]), "kcmp": (312, 272, [0, 0, 9, 0, 0]),
    "memfd_create": (319, 279, [0, 0]), "memfd_secret": (447, 447, [-1]),
    "shmget": (29, 194, [0, 4096, 0o1600]), "shmat": (30, 196, [-1, 0, 0]), "shmctl": (31, 195, [-1, 0, 0]),
    "semget": (64, 190, [0, 1, 0o1600]), "msgget": (68, 186, [0, 0o1600]), "mq_open": (240, 180, [0, 0, 0, 0]),
    "add_key": (248, 217, [0, 0, 0, 0, 0]), "request_key": (249, 218, [0, 0, 0, 0]), "keyctl": (250, 219, [0, -3, 0]),
    "bpf": (321, 280, [0, 0, 0]), "userfaultfd": (323, 282, [-1]), "perf_event_open": (298, 241, [0, 0, 0, 0, 0]),
    "unshare": (272, 97, [0]), "unshare time": (272, 97, [NEW_TIME]), "setns": (308, 268, [-1, 0]),
    "clone into a user namespace": (56, 220, [NEW_USER | 17, 0, 0, 0, 0]),
    "mount": (165, 40, [0, 0, 0, 0, 0]), "umount2": (166, 39, [0, 0]), "pivot_root": (155, 41, [0, 0]),
    "chroot": (161, 51, [0]), "open_tree": (428, 428, [-1, 0, -1]), "move_mount": (429, 429, [-1, 0, -1, 0, 0]),
    "fsopen": (430, 430, [0, 0]), "mount_setattr": (442, 442, [-1, 0, 0, 0, 0]),
    "open_by_handle_at": (304, 265, [-1, 0, 0]), "name_to_handle_at": (303, 264, [-1, 0, 0, 0, 0]),
    "fanotify_init": (300, 262, [-1, 0]), "quotactl": (179, 60, [0, 0, 0, 0]), "syslog": (103, 116, [-1, 0, 0]),
    "init_module": (175, 105, [0, 0, 0]), "finit_module": (313, 273, [-1, 0, 0]), "kexec_load": (246, 104, [0, 0, 0, 0]),
    "reboot": (169, 142, [0, 0, 0, 0]), "swapon": (167, 224, [0, 0]), "settimeofday": (164, 170, [0, 0]),
    "adjtimex": (159, 171, [0]), "sethostname": (170, 161, [0, 0]), "mbind": (237, 235, [0, 0, 0, 0, 0, 0]),
    "move_pages": (279, 239, [0, 0, 0, 0, 0, 0]), "vmsplice": (278, 75, [-1, 0, 0, 0]),
    "personality without random addresses": (135, 92, [0x0040000]),
    "a socket of netlink": (41, 198, [16, 3, 0]), "a socket of packets": (41, 198, [17, 3, 0]),
    "a socket to the kernel's ciphers": (41, 198, [38, 5, 0]), "a socket to the host": (41, 198, [40, 1, 0]),
}  # fmt: skip
CLONE3 = {"clone3": (435, 435, [0, 0])}

_PROBE = """
import ctypes, json, platform
call = ctypes.CDLL(None, use_errno=True).syscall
column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
found = {}
for what, (*numbers, arguments) in json.loads(CALLS).items():
    ctypes.set_errno(0)
    result = call(*map(ctypes.c_long, (numbers[column], *arguments)))
    found[what] = ctypes.get_errno() if result == -1 else 0
    if what.startswith("clone into") and result == 0:
        __import__("os")._exit(0)
print(json.dumps(found))
"""


def probe(engine: Any, docker: Any, **changes: Any) -> dict[str, int]:
    """Call -> the error that it gave, or 0, in a container with the sandbox's restrictions."""
    restricted = {**restrictions(docker.options()), "auto_remove": False, "log_config": None, **changes}
    code = _PROBE.replace("CALLS", repr(json.dumps({**CALLS, **CLONE3})))
    container = engine.create_container(
        docker.image, ["python3", "-c", code], user="65534", host_config=engine.create_host_config(**restricted)
    )["Id"]
    try:
        engine.start(container)
        engine.wait(container, timeout=60)
        said = engine.logs(container, stdout=True, stderr=False)
        assert said, engine.logs(container)
        return dict(json.loads(said))
    finally:
        engine.remove_container(container, force=True)


@pytest.fixture(scope="module")
def filtered(engine: Any, docker: Any) -> dict[str, int]:
    return probe(engine, docker)


@pytest.mark.parametrize("what", CALLS)
def test_is_refused(filtered: dict[str, int], what: str) -> None:
    assert filtered[what] == EPERM


def test_clone3_looks_as_if_there_were_none(filtered: dict[str, int]) -> None:
    """Libraries then use clone, whose flags a filter can see."""
    assert filtered["clone3"] == ENOSYS


def test_it_is_the_profile_that_refuses(engine: Any, docker: Any) -> None:
    unfiltered = probe(engine, docker, security_opt=["no-new-privileges", "seccomp=unconfined"])
    open_doors = {"io_uring_setup", "ptrace", "memfd_create", "shmget", "unshare", "a socket of netlink"}
    assert not open_doors & {what for what, error in unfiltered.items() if error == EPERM}
