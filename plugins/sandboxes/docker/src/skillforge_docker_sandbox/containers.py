"""Containers: how one is made so that nothing gets out of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skillforge import SandboxUnusable
from skillforge_docker_sandbox import DockerOptions, leftovers
from skillforge_docker_sandbox.engine import faults
from skillforge_docker_sandbox.image import COMMAND
from skillforge_docker_sandbox.leftovers import OWNER_LABEL, POOL_LABEL, owner
from skillforge_local_sandbox.interpreter import ENVIRONMENT
from skillforge_sandbox_jail.rootfs import WRITABLE

if TYPE_CHECKING:
    from docker import APIClient

USER = "65534:65534"
MB = 2**20

INODES_PER_MB = 64
OPEN_FILES = 1024
OWN_MEMORY = 256 * MB
"""What a container holds besides its session's processes and files: imported modules, and room to notice what is too much."""

OWN_PROCESSES = 2
"""The first process, and the session's init."""

_SECCOMP = Path(__file__).parent / "seccomp.json"


class Containers:
    """The containers of one pool. All calls block, and may come from any thread."""

    def __init__(self, client: APIClient, options: DockerOptions, pool: str) -> None:
        self._client = client
        self._pool = pool
        self.prefix = f"skillforge-{pool}"
        """How the names of the pool's containers begin."""
        self._image = options.image
        self._host = client.create_host_config(**restrictions(options))
        self._labels = {POOL_LABEL: pool, OWNER_LABEL: owner()}

    def start(self, name: str) -> socket.socket:
        """Start one called `name`; a socket to its stdin, stdout and stderr. It ends when that is closed.

        Raises SandboxUnusable.
        """
        with faults("starting a container"):
            self._client.create_container_from_config(self._config(), name)
            try:
                stream = self._attach(name)
                self._client.start(name)
            except BaseException:
                self.remove(name)
                raise
        return stream

    def remove(self, name: str) -> None:
        """End the container, if it is still there. Its socket must be closed, or the engine may never answer."""
        leftovers.remove(self._client, name)

    def remove_all(self) -> None:
        """Remove all of this pool."""
        leftovers.remove_labelled(self._client, f"{POOL_LABEL}={self._pool}")

    def _config(self) -> dict[str, Any]:
        return {
            "Image": self._image,
            "Entrypoint": COMMAND[:1],
            "Cmd": COMMAND[1:],
            "User": USER,
            "WorkingDir": "/",
            "Hostname": "sandbox",
            "NetworkDisabled": True,  # with network_mode none alone the engine takes twice as long, to connect nothing
            "Env": [
                f"{name}={value}" for name, value in ENVIRONMENT.items() if name != "PATH"
            ],  # PATH is the image's own
            "Labels": self._labels,
            "OpenStdin": True,
            "StdinOnce": True,  # the end of our connection is the end of its stdin
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "HostConfig": self._host,
        }

    def _attach(self, name: str) -> socket.socket:
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = self._client.attach_socket(name, parameters)
        if not isinstance(attached, socket.SocketIO):
            raise SandboxUnusable(
                "the sandbox 'docker' cannot attach to a container over TLS or SSH",
                "set DOCKER_HOST to a socket: unix://PATH, or tcp://HOST:PORT through a tunnel",
            )
        return socket.socket(fileno=os.dup(attached.fileno()))


def restrictions(options: DockerOptions) -> dict[str, Any]:
    """What a container may not do, as the SDK's `create_host_config` takes it."""
    from docker.types import LogConfig, Ulimit

    memory = (options.memory + options.disk) * MB + OWN_MEMORY
    return {
        "auto_remove": True,
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {
            # Where the image has the folder its mode and owner would win, were they not given here.
            WRITABLE: f"rw,nosuid,nodev,size={options.disk}m,nr_inodes={options.disk * INODES_PER_MB},"
            f"mode=700,uid={USER.partition(':')[0]},gid={USER.partition(':')[2]}",
        },
        "shm_size": options.disk * MB,
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": options.processes + OWN_PROCESSES,
        "nano_cpus": int(options.cpus * 1e9),
        "ulimits": [Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES), Ulimit(name="core", soft=0, hard=0)],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={_SECCOMP.read_text()}"],
        "log_config": LogConfig(type=LogConfig.types.NONE),  # else all output would go to the host's disk as well
        "runtime": options.runtime,
        "cgroup_parent": options.cgroup_parent,
    }
