"""A server that is started for as long as it is needed: known to be there by its health, and always stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from skillforge import supervisor
from skillforge.errors import BackendUnusable, UsageError
from skillforge.parts.backend import Server, Target
from skillforge.text import printable

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
"""Seconds between two looks at a server's health, at first and at last."""

HEALTH_LIMIT = 5.0
"""Seconds that an answer about its health may take."""

STOP_LIMIT = supervisor.GRACE + 20.0
"""Seconds that stopping may take: more than a process needs that does not hang in the kernel."""

LOST = "was lost: the process that looked after it is gone"

LAST_LINES = 20
LAST_CHARACTERS = 1200
LONGEST_LINE = 300


class RunningServer:
    """A server that takes requests, until it ends."""

    def __init__(self, server: Server, log: Path, process: Process) -> None:
        self.server = server
        self.log = log
        """All that the server writes."""
        self.pid: int | None = None
        self.seconds = 0.0
        """From its start until it took requests."""

        self._process = process
        self._start_of_log = log.stat().st_size
        self._began = time.monotonic()
        self._end = asyncio.ensure_future(self._watch())

    @property
    def fault(self) -> BackendUnusable | None:
        """How the server ended, with the last lines that it wrote; None while it runs."""
        return self._error(self._end.result()) if self._end.done() and not self._end.cancelled() else None

    async def ended(self) -> BackendUnusable:
        """Wait until the server has ended by itself; the `fault`."""
        return self._error(await asyncio.shield(self._end))

    async def _watch(self) -> str:
        """Read what the supervisor tells; how the server ended."""
        assert self._process.stdout is not None
        how = LOST
        async for line in self._process.stdout:
            match msgspec.json.decode(line):
                case {"pid": int(pid)}:
                    self.pid = pid
                case {"fault": str(fault)}:
                    how = f"could not be started: {fault}"
                case {"status": int(status)}:
                    how = _told_status(status)
        return how

    async def _until_healthy(self, patience: float) -> None:
        pause = FIRST_PAUSE
        while not await _is_healthy(self.server.health):
            if self._end.done():
                break
            if time.monotonic() > self._began + patience:
                raise self._error(f"took no requests within {patience:g} s and was stopped")
            await asyncio.wait({self._end}, timeout=pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
        if self.fault:
            raise self.fault
        self.seconds = time.monotonic() - self._began

    def _error(self, how: str) -> BackendUnusable:
        lines = self._last_lines()
        told = ", which ends:\n  " + "\n  ".join(lines) if lines else ", which is empty"
        return BackendUnusable(f"the server {how}; its output is in {self.log}{told}")

    def _last_lines(self) -> list[str]:
        """The end of the log as a terminal may show it."""
        text = ""
        with contextlib.suppress(OSError), self.log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(self._start_of_log, size - LAST_LINES * LONGEST_LINE * 4))
            text = without_colours(stream.read().decode("utf-8", "replace"))
        lines = [line.rstrip() for line in text.splitlines() if line.strip(" ^~")][-LAST_LINES:]
        kept: list[str] = []
        for line in reversed(lines):
            shown = printable(line.expandtabs(4), LONGEST_LINE)
            if kept and sum(map(len, kept)) + len(shown) > LAST_CHARACTERS:
                break
            kept.append(shown)
        return kept[::-1]

    async def _stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        if await self._end == LOST and self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def running(
    server: Server, *, log: Path, patience: float = 600.0, on_output: Callable[[bytes], object] | None = None
) -> AsyncIterator[RunningServer]:
    """Start `server`, and stop it at the end, with all that it started; also where this process is killed.

    Its output is added to the file `log`, and each piece of it handed to `on_output`. Raises BackendUnusable where it ends
    before it answers at its health address, or does not answer within `patience` seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", supervisor.__file__, stdin=PIPE, stdout=PIPE, stderr=stream, start_new_session=True
        )  # fmt: skip
    started = RunningServer(server, log, process)
    reader = _following(log, on_output) if on_output else contextlib.nullcontext()
    async with reader:
        try:
            assert process.stdin is not None
            environment = {"PYTHONUNBUFFERED": "1", **server.env}
            process.stdin.write(msgspec.json.encode({"command": server.command, "env": environment}) + b"\n")
            await started._until_healthy(patience)
            yield started
        finally:
            await started._stop()


@contextlib.asynccontextmanager
async def _following(log: Path, on_output: Callable[[bytes], object]) -> AsyncIterator[None]:
    """Hand what is added to `log` to `on_output`, to the last byte."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)

        def read() -> None:
            while data := stream.read(65536):
                on_output(data)

        async def follow() -> None:
            while True:
                read()
                await asyncio.sleep(0.1)

        task = asyncio.ensure_future(follow())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            read()


async def _is_healthy(url: str) -> bool:
    """Whether a GET of `url` is answered with 200. Proxies are for others."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(HEALTH_LIMIT):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, ValueError):
        return False
    return status.split()[1:2] == [b"200"]


def _told_status(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL, as the system does where memory runs out)"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def without_colours(text: str) -> str:
    """`text` without the sequences that colour it on a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# ---------------------------------------------------------------------------------------------------------------
# What backends need to say how their server is started
# ---------------------------------------------------------------------------------------------------------------


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
        raise UsageError(f"no server can listen on {host} port {port} ({why})", "choose another --port") from None


def _bound(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
