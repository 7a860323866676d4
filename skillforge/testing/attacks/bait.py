"""What is laid out for hostile code around a sandbox, and must be found untouched."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
import site
import socket
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from skillforge.errors import UsageError
from skillforge.testing.processes import is_running

FILE = Path("/tmp/skillforge-canary.txt")
VARIABLE = "SF_CANARY_KEY"
PORT = 48765
ABSTRACT = "\0skillforge-canary-{port}"
"""A Unix socket that has no file."""

LEFT = "skillforge_left"
"""What the names of the files begin with that snippets try to leave behind; also a module that none may bring into being."""

_NEIGHBOUR = "import sys; sys.stdin.read()"


class Bait:
    """Secrets, and things to reach for: each look tells what has happened to them since the last one.

    A file that all may read; an environment variable of this process and of a neighbour, which runs as the same user; the
    neighbour itself; listeners on TCP and UDP of the loopback interface, and on a Unix socket.
    """

    def __init__(self, file: Path = FILE, port: int = PORT) -> None:
        self.file = file
        self.port = port
        known = os.environ.get(VARIABLE)  # to a service that was started before, perhaps
        self.secrets = {"the canary file": secrets.token_hex(16), VARIABLE: known or secrets.token_hex(16)}
        self._reached: list[str] = []
        self._left: set[Path] = set()
        self._file_state: tuple[int, ...] | None = None
        self._neighbour_pid = 0
        self._neighbour_alive = False

    @asynccontextmanager
    async def laid_out(self) -> AsyncIterator[None]:
        """Everything is there until the context is left. Raises UsageError where a place is taken already."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._environment())
            stack.enter_context(self._file())
            stack.enter_context(self._neighbour())
            stack.enter_context(self._listeners())
            self._left = set(_left_behind())
            yield

    def touched(self) -> list[str]:
        """What has been done to it since the last look."""
        found = list(dict.fromkeys(self._reached))
        self._reached.clear()
        if (state := self._state_of_file()) != self._file_state:
            found.append(f"{self.file} was changed")
            self._file_state = state
        if self._neighbour_alive and not is_running(self._neighbour_pid):
            found.append("a neighbouring process of the same user was ended")
            self._neighbour_alive = False
        left = set(_left_behind())
        found += [f"{path} was left outside" for path in sorted(left - self._left)]
        self._left |= left
        return found

    def secrets_in(self, text: str) -> list[str]:
        """Which secrets `text` gives away."""
        return [f"the content of {name} was read" for name, secret in self.secrets.items() if secret in text]

    # Laying out --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = self.secrets[VARIABLE]
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before

    @contextlib.contextmanager
    def _file(self) -> Iterator[None]:
        try:
            if self._is_left_over():
                self.file.unlink()
            file = self.file.open("x")
        except OSError as error:
            raise UsageError(
                f"cannot make the file {self.file} ({error.strerror})", "remove it, unless another attack is running"
            ) from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)  # tells that this attack still runs
            file.write(self.secrets["the canary file"] + "\n")
            file.flush()
            self.file.chmod(0o644)
            self._file_state = self._state_of_file()
            try:
                yield
            finally:
                self.file.unlink(missing_ok=True)

    def _is_left_over(self) -> bool:
        """Whether the file is there and was made by an attack that was killed."""
        try:
            with self.file.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return re.fullmatch("[0-9a-f]{32}\n", file.read(64)) is not None
        except (OSError, UnicodeDecodeError):
            return False

    @contextlib.contextmanager
    def _neighbour(self) -> Iterator[None]:
        with subprocess.Popen([sys.executable, "-c", _NEIGHBOUR], stdin=subprocess.PIPE) as process:
            self._neighbour_pid = process.pid
            self._neighbour_alive = True
            yield

    @contextlib.contextmanager
    def _listeners(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            for name, listener in self._sockets():
                stack.enter_context(listener)
                loop.add_reader(listener, self._take_visitor, name, listener)
                stack.callback(loop.remove_reader, listener)
            yield

    def _sockets(self) -> Iterator[tuple[str, socket.socket]]:
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", self.port)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", self.port)),
            (socket.AF_INET6, socket.SOCK_STREAM, ("::1", self.port)),
            (socket.AF_UNIX, socket.SOCK_STREAM, ABSTRACT.format(port=self.port)),
        ):
            name = f"{kind.name} {address[0]}:{address[1]}" if isinstance(address, tuple) else "an abstract Unix socket"
            try:
                listener = socket.socket(family, kind)
            except OSError:
                continue  # this kernel has no such network
            try:
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                if kind == socket.SOCK_STREAM:
                    listener.listen()
            except OSError as error:
                listener.close()
                if family == socket.AF_INET6:
                    continue  # this machine has no IPv6
                raise UsageError(
                    f"cannot listen on {name} ({error.strerror})", "end what does, such as another attack"
                ) from None
            listener.setblocking(False)
            yield name, listener

    # Looking -----------------------------------------------------------------------------------------------------

    def _take_visitor(self, name: str, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if listener.type == socket.SOCK_DGRAM:
                listener.recv(1)
            else:
                listener.accept()[0].close()
            self._reached.append(f"{name} was reached")

    def _state_of_file(self) -> tuple[int, ...] | None:
        try:
            state = self.file.lstat()
        except OSError:
            return None
        return state.st_ino, state.st_mode, state.st_uid, state.st_nlink, state.st_size, state.st_mtime_ns


def _left_behind() -> Iterator[Path]:
    """The files of snippets in the places outside that they try."""
    folders = {*_OUTSIDE, str(Path.cwd()), os.path.expanduser("~"), sys.prefix, site.getusersitepackages()}  # noqa: PTH111 (a user may have no home)
    for folder in folders | set(sysconfig.get_paths().values()):
        with contextlib.suppress(OSError):
            yield from Path(folder).glob(f"{LEFT}*")


_OUTSIDE = (
    "/",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/run",
    "/run/lock",
    "/mnt",
    "/home",
    "/root",
    "/opt",
    "/srv",
    "/usr/lib",
)
