"""The session: what is forked from a container's first process to run the cells of one user."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import socket
from pathlib import Path
from typing import Any

from skillforge_docker_sandbox.inside.wire import Setup
from skillforge_sandbox_jail import landlock, linux, rootfs, seccomp
from skillforge_sandbox_jail.confinement import give_up_rights, work
from skillforge_sandbox_jail.init import SessionInit

SHARED_MEMORY = "/dev/shm"
_OOM_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def become_session(setup: Setup, variables: dict[str, Any], descriptors: list[int]) -> None:
    """Go on as the init of a session, with the worker as a child. `descriptors`: for init, worker, stdout, stderr."""
    control, channel, stdout, stderr = descriptors
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.close(nothing)
    os.setsid()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    os.chdir(rootfs.WORK)
    worker = os.fork()
    if worker == 0:
        os.close(control)
        for number, stream in ((1, stdout), (2, stderr)):
            os.dup2(stream, number)
            os.close(stream)
        work(channel, variables, lambda: _confine(setup))
        return
    for number in (channel, stdout, stderr):
        os.close(number)
    ContainerInit(socket.socket(fileno=control), worker, setup.memory).serve()


def _confine(setup: Setup) -> None:
    """Limit this process and all that it will start, for good."""
    # Processes are the container's to limit: the kernel counts them over all containers, whose users are the same.
    give_up_rights(
        {
            resource.RLIMIT_AS: setup.address_space,
            resource.RLIMIT_FSIZE: setup.file_size,
            resource.RLIMIT_NOFILE: setup.open_files,
        }
    )
    if version := landlock.version():
        devices = [f"/dev/{name}" for name in rootfs.DEVICES]
        landlock.restrict(["/"], [rootfs.WRITABLE, SHARED_MEMORY], devices, version)
    linux.apply_seccomp(seccomp.program(platform.machine(), private=True))


class ContainerInit(SessionInit):
    """A session's init that knows of the kernel's own limit on the container's memory."""

    _killed_before = 0

    def serve(self) -> None:
        self._killed_before = _killed_for_memory()
        super().serve()

    def _tell(self, event: dict[str, Any]) -> None:
        if event.get("signal") == signal.SIGKILL and _killed_for_memory() > self._killed_before:
            event = {"event": "oom", "bytes": self._limit}
        super()._tell(event)


def _killed_for_memory() -> int:
    """How many processes of the container the kernel has ended for its limit on memory."""
    for path in _OOM_COUNTS:
        with contextlib.suppress(OSError), Path(path).open() as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    return 0
