"""A server that is started for as long as it is needed: known to be there by its health, and always stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from skillforge import supervisor
from skillforge.errors import BackendUnusable
from skillforge.parts.backend import Server
from skillforge.text import printable

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
"""Seconds between two looks at a server's health, at first and at last."""

HEALTH_LIMIT = 5.0
"""Seconds that an answer about its health may take."""

STOP_LIMIT = supervisor.GRACE + 20.0
"""Seconds that stopping may take: more than a process needs that does not hang in the kernel."""

LOST = "was lost: the process that looked after it is gone"

_tell: ContextVar[Callable[[str], object]] = ContextVar("tell", default=lambda text: None)

LAST_LINES = 20
LAST_CHARACTERS = 1200
LONGEST_LINE = 300


@contextlib.contextmanager
def starts_told(tell: Callable[[str], object]) -> Iterator[None]:
    """Within this block, `tell` is told of each program that is started, and when it is ready.

    It reaches through `Backend.open`, so that a backend need not hand on who wants to know.
    """
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


class RunningProgram:
    """A program under the supervisor, until it ends."""

    def __init__(self, name: str, log: Path, process: Process) -> None:
        self.log = log
        """All that the program writes."""
        self.pid: int | None = None
        self.seconds = 0.0
        """From its start until it was ready."""

        self._name = name
        self._process = process
        self._start_of_log = log.stat().st_size
        self._began = time.monotonic()
        self._end = asyncio.ensure_future(self._watch())

    @property
    def fault(self) -> BackendUnusable | None:
        """How the program ended, with the last lines that it wrote; None while it runs."""
        return self.error(self._end.result()) if self._end.done() and not self._end.cancelled() else None

    async def ended(self) -> BackendUnusable:
        """Wait until the program has ended by itself; the `fault`."""
        return self.error(await asyncio.shield(self._end))

    def error(self, how: str) -> BackendUnusable:
        """The error that says what became of the program, with the last lines that it wrote."""
        lines = self._last_lines()
        told = ", which ends:\n  " + "\n  ".join(lines) if lines else ", which is empty"
        return BackendUnusable(f"{self._name} {how}; its output is in {self.log}{told}")

    async def _watch(self) -> str:
        """Read what the supervisor tells; how the program ended."""
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

    async def _until(self, ready: asyncio.Future[Any], patience: float) -> None:
        try:
            await asyncio.wait({ready, self._end}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if self.fault:
                raise self.fault
            if not ready.done():
                raise self.error(f"was not ready within {patience:g} s and was stopped")
            ready.result()
            self.seconds = time.monotonic() - self._began
        finally:
            ready.cancel()

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


def running(
    server: Server, *, log: Path, patience: float = 600.0, on_output: Callable[[bytes], object] | None = None
) -> AbstractAsyncContextManager[RunningProgram]:
    """Start `server`, as `running_program` does; it is ready once it answers at its health address."""

    def ready() -> Awaitable[object]:
        return _until_healthy(server.health)

    return running_program(
        "the server", server.command, server.env, ready=ready, log=log, patience=patience, on_output=on_output
    )


@contextlib.asynccontextmanager
async def running_program(
    name: str,
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    ready: Callable[[], Awaitable[object]],
    log: Path,
    patience: float,
    on_output: Callable[[bytes], object] | None = None,
) -> AsyncIterator[RunningProgram]:
    """Start `command`, and stop it at the end, with all that it started; also where this process is killed.

    `env` goes over the variables of this process. The output is added to the file `log`, and each piece of it handed to
    `on_output`. Raises BackendUnusable, which calls the program `name`, where it ends before what `ready()` gives is done,
    or that takes more than `patience` seconds.
    """
    tell = _tell.get()
    tell(f"starting {name}; its output is in {log}")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", supervisor.__file__, stdin=PIPE, stdout=PIPE, stderr=stream, start_new_session=True
        )  # fmt: skip
    program = RunningProgram(name, log, process)
    reader = _following(log, on_output) if on_output else contextlib.nullcontext()
    async with reader:
        try:
            assert process.stdin is not None
            work = {"command": command, "env": {"PYTHONUNBUFFERED": "1", **env}}
            process.stdin.write(msgspec.json.encode(work) + b"\n")
            await program._until(asyncio.ensure_future(ready()), patience)
            tell(f"{name} is ready after {program.seconds:.0f} s")
            yield program
        finally:
            await program._stop()


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


async def _until_healthy(url: str) -> None:
    """Wait until `url` tells that the server takes requests."""
    pause = FIRST_PAUSE
    while not await _is_healthy(url):
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)


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
