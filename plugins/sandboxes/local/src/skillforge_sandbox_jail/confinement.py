"""What a worker gives up before it runs its first cell."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from skillforge_sandbox_jail import landlock, linux, processes, rootfs
from skillforge_sandbox_jail.descriptors import keep_privately
from skillforge_sandbox_jail.settings import Settings
from skillforge_sandbox_jail.worker import Worker


def work(channel: int, variables: dict[str, Any], confine: Callable[[], None]) -> None:
    """Go on, in a fresh fork whose output has been connected, as a worker: serve `channel` once `confine` has been called."""
    os.setpgid(0, 0)  # not setsid: see zygote.NICENESS
    nothing = os.open("/dev/null", os.O_RDONLY)  # an open file of its own: others would share flags and locks
    os.dup2(nothing, 0)
    os.close(nothing)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")  # what runs out of memory here ends before the session's init
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else its children's entries in /proc would belong to root
    worker = Worker(keep_privately(channel), variables)
    confine()
    if random := sys.modules.get("numpy.random"):
        random.seed()
    worker.serve()


def confine(settings: Settings, filter: bytes, folder: str) -> None:
    """Limit this process and all that it will start, for good.

    `filter` is the program for seccomp; `folder` is the only place where the process may write.
    """
    others = 0 if settings.namespaces else processes.of_user(os.getuid())
    give_up_rights(
        {
            resource.RLIMIT_AS: settings.address_space,
            resource.RLIMIT_NPROC: settings.processes + others,
            resource.RLIMIT_NOFILE: settings.open_files,
            resource.RLIMIT_FSIZE: settings.disk,
        }
    )
    if settings.landlock:
        _restrict_files(settings, folder)
    if settings.seccomp:
        linux.apply_seccomp(filter)


def give_up_rights(limits: Mapping[int, int]) -> None:
    """Lower the limits (`resource.RLIMIT_...`) for good, and give up capabilities and ways to new ones."""
    for name, limit in {**limits, **dict.fromkeys(_NOTHING_OF, 0)}.items():
        hard = resource.getrlimit(name)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(name, (lower, lower))
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)


_NOTHING_OF = (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE)


def _restrict_files(settings: Settings, folder: str) -> None:
    devices = [f"/dev/{name}" for name in rootfs.DEVICES]
    if settings.namespaces:
        landlock.restrict(["/"], [folder], devices, settings.landlock)
    else:
        visible = rootfs.outermost([*rootfs.SYSTEM, *rootfs.SYSTEM_FILES, *settings.libraries])
        landlock.restrict(visible, [folder], devices, settings.landlock)
