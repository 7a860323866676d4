"""Containers that nobody looks after any more: whose each one is says a label, and whether that process still runs."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skillforge import SandboxUnusable
from skillforge_docker_sandbox.engine import CALL_PATIENCE, faults

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
    _remove_each(client, orphans)
    return len(orphans)


def remove_labelled(client: APIClient, label: str) -> None:
    """Remove the containers with this label. Raises SandboxUnusable where the engine does not say which these are."""
    with faults("removing containers"):
        found = client.containers(all=True, filters={"label": label})
    _remove_each(client, found)


def remove(client: APIClient, container: str) -> None:
    """End a container, if it is still there; it is gone on return. Raises SandboxUnusable.

    Where a socket to it is open, the engine may never answer.
    """
    import docker.errors

    with faults("removing a container"), contextlib.suppress(docker.errors.NotFound):
        try:
            client.remove_container(container, force=True)
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            # The engine is removing it already, as all that have ended. Without a limit this would wait for ever.
            client.wait(container, timeout=CALL_PATIENCE, condition="removed")


def _remove_each(client: APIClient, found: Sequence[Mapping[str, Any]]) -> None:
    for each in found:
        with contextlib.suppress(SandboxUnusable):  # the others are to go all the same
            remove(client, each["Id"])


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
