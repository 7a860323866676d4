"""What the command of a server is made of: its program, the model's weights, and where it listens."""

from __future__ import annotations

import errno
import shutil
import socket
import sys
from pathlib import Path

from skillforge.errors import UsageError
from skillforge.parts.backend import Target


def url_of(host: str, port: int) -> str:
    """Where a server that listens on `host` and `port` is reached from this machine: `http://127.0.0.1:8000`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def find_program(name: str) -> str | None:
    """The program called `name`: the one of this Python environment, else the one that PATH leads to."""
    own = str(Path(sys.executable).parent)
    return shutil.which(name, path=own) or shutil.which(name)


def weights_of(target: Target) -> str:
    """The model's folder in full, or its hub id. Raises UsageError for a folder that is not there."""
    location = target.model.location
    folder = Path(location).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if folder.is_absolute() or location.startswith(".") or location.count("/") != 1 or folder.exists():
        raise UsageError(f"there is no model folder {location}", "check --model; a hub id looks like owner/name")
    return location


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` that nobody uses now."""
    with _bound(host, 0) as free:
        port: int = free.getsockname()[1]
        return port


def require_free(host: str, port: int) -> None:
    """Raises UsageError where no server can listen on `host` and `port` now."""
    try:
        _bound(host, port).close()
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while ")[0]
        wrong = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise UsageError(f"no server can listen on {host} port {port} ({why})", f"choose another {wrong}") from None


def _bound(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
