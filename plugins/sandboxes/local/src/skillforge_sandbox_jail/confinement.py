"""What a worker gives up before it runs its first cell."""

from __future__ import annotations

import os
import resource

from skillforge_sandbox_jail import landlock, linux, processes, rootfs
from skillforge_sandbox_jail.settings import Settings


def confine(settings: Settings, filter: bytes, folder: str) -> None:
    """Limit this process and all that it will start, for good.

    `filter` is the program for seccomp; `folder` is the only place where the process may write.
    """
    for name, limit in {
        resource.RLIMIT_AS: settings.address_space,
        resource.RLIMIT_NPROC: settings.processes + (0 if settings.namespaces else processes.of_user(os.getuid())),
        resource.RLIMIT_NOFILE: settings.open_files,
        resource.RLIMIT_FSIZE: settings.disk,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }.items():
        hard = resource.getrlimit(name)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(name, (lower, lower))
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if settings.landlock:
        _restrict_files(settings, folder)
    if settings.seccomp:
        linux.apply_seccomp(filter)


def _restrict_files(settings: Settings, folder: str) -> None:
    devices = [f"/dev/{name}" for name in rootfs.DEVICES]
    if settings.namespaces:
        landlock.restrict(["/"], [folder], devices, settings.landlock)
    else:
        visible = rootfs.outermost([*rootfs.SYSTEM, *rootfs.SYSTEM_FILES, *settings.libraries])
        landlock.restrict(visible, [folder], devices, settings.landlock)
