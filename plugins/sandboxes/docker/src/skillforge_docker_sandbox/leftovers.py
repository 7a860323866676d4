"""Containers that nobody looks after any more: whose each one is says a label, and whether that process still runs."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge_docker_sandbox.engine import faults

if TYPE_CHECKING:
    from docker import APIClient

POOL_LABEL, OWNER_LABEL = "skillforge.sandbox", "skillforge.owner"

_START_TIME = 19
"""Which field of /proc/PID/stat, counted from behind the name, tells when the process started."""


def owner() -> str:
    """This process, told apart from all others: machine, its pid namespace, its start, pid, and when it started."""
    return f"{_place()} {_boot()} {os.getpid()} {_started(os.getpid())}"


def is_gone(label: str) -> bool:
    """Whether `label` is a process of this machine that has ended. Of other machines' processes nothing is known."""
    place, boot, pid, started = (label.split(" ") + [""] * 4)[:4]
    if place != _place() or not pid.isdigit():
        return False
    return boot != _boot() or _started(int(pid)) != started


def reap(client: APIClient) -> int:
    """Remove the containers whose owner is gone; how many there were. Raises SandboxUnusable."""
    with faults("looking for containers that were left behind"):
        found = client.containers(all=True, filters={"label": OWNER_LABEL})
    orphans = [each for each in found if is_gone(each["Labels"][OWNER_LABEL])]
    for each in orphans:
        _remove(client, each["Id"])
    return len(orphans)


def remove_labelled(client: APIClient, label: str) -> None:
    """Remove the containers with this label. Raises SandboxUnusable."""
    with faults("removing containers"):
        for found in client.containers(all=True, filters={"label": label}):
            _remove(client, found["Id"])


def _remove(client: APIClient, container: str) -> None:
    import docker.errors

    with faults("removing a container"), contextlib.suppress(docker.errors.APIError):  # another one may be removing it
        client.remove_container(container, force=True)


def _place() -> str:
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = "-"
    return f"{platform.node()}/{space}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where there is none, or where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[_START_TIME].decode()
