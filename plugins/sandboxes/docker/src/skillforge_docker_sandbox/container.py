"""One running container, and the link to the session inside it."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import msgspec

from skillforge.child import Frames
from skillforge.parts.sandbox import StreamName
from skillforge.text import one_line
from skillforge_docker_sandbox.inside.wire import (
    END,
    INIT,
    MAIN,
    READY,
    START,
    STDERR,
    STDOUT,
    WORKER,
    Pieces,
    Setup,
    piece,
)
from skillforge_local_sandbox.link import Answer, Event, Link
from skillforge_sandbox_jail.frames import LARGEST, framed

START_PATIENCE = 120.0
"""Seconds in which a container's modules must be imported."""

SESSION_PATIENCE = 20.0
"""Seconds in which a session in a running container must be ready."""

END_PATIENCE = 5.0
"""Seconds in which all processes of a session must have ended."""

KEPT_COMPLAINT = 4096
"""Bytes kept of what a container's first process writes to its stderr."""

_DOCKER_HEAD = 8
_DOCKER_STDERR = 2
_STREAMS: dict[int, StreamName] = {STDOUT: "stdout", STDERR: "stderr"}


class Container(asyncio.Protocol):
    """The supervisor's end of a container's stdin and stdout. It ends when this is closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.served = 0
        """Sessions that it has had."""
        self._transport: asyncio.Transport
        self._unread = bytearray()
        self._pieces = Pieces()
        self._complaint = b""
        self._link: ContainerLink | None = None
        self._awaited: tuple[bytes, asyncio.Future[None]] | None = None

    @classmethod
    async def open(cls, name: str, stream: socket.socket, setup: Setup) -> Container:
        """Over `stream`, have the modules imported. Raises OSError where that fails, TimeoutError where it takes long."""
        loop = asyncio.get_running_loop()
        stream.setblocking(False)
        _, container = await loop.create_connection(lambda: cls(name), sock=stream)
        try:
            await container._ask(json.dumps(setup._asdict()).encode(), READY, START_PATIENCE)
        except BaseException:
            container.close()
            raise
        return container

    async def session(self) -> ContainerLink:
        """A link to a new session whose worker is ready; the last one must be closed. Raises OSError, TimeoutError."""
        if not self.alive:
            raise OSError(self._end())
        self._link = link = ContainerLink(self)
        self.send(MAIN, START)
        await link.greeted(SESSION_PATIENCE)
        return link

    async def end_session(self) -> None:
        """End the session with all its processes and files; where that fails, the container."""
        self._link = None
        try:
            await self._ask(END, END, END_PATIENCE)
        except (OSError, TimeoutError):
            self.close()

    def close(self) -> None:
        """Let go of it: its first process ends, and everything with it."""
        self.alive = False
        self._transport.abort()

    def send(self, channel: int, data: bytes) -> None:
        """Send `data`, in the background."""
        self._transport.write(piece(channel, data))

    async def _ask(self, what: bytes, answer: bytes, patience: float) -> None:
        """Have the first process do something, and wait until it says that it has. Raises OSError, TimeoutError."""
        if not self.alive:
            raise OSError(self._end())
        self._awaited = answer, asyncio.get_running_loop().create_future()
        try:
            self.send(MAIN, what)
            async with asyncio.timeout(patience):
                await self._awaited[1]
        finally:
            self._awaited = None

    # What comes from the container ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the engine's frames apart: one byte of stream, three of nothing, four of length, then that many bytes."""
        self._unread += data
        start = 0
        while len(self._unread) >= start + _DOCKER_HEAD:
            end = start + _DOCKER_HEAD + int.from_bytes(self._unread[start + 4 : start + _DOCKER_HEAD], "big")
            if len(self._unread) < end:
                break
            content = bytes(self._unread[start + _DOCKER_HEAD : end])
            if self._unread[start] == _DOCKER_STDERR:
                self._complaint = (self._complaint + content)[-KEPT_COMPLAINT:]
            elif not self._take(content):
                self.close()
                return
            start = end
        del self._unread[:start]

    def connection_lost(self, error: Exception | None) -> None:
        self.alive = False
        if self._awaited is not None and not self._awaited[1].done():
            self._awaited[1].set_exception(OSError(self._end()))
        if self._link is not None:
            self._link.listener.on_gone()

    def _take(self, data: bytes) -> bool:
        """Hand on pieces; whether they are what a first process sends."""
        try:
            for channel, content in self._pieces.feed(data):
                if channel == MAIN:
                    self._take_answer(content)
                elif self._link is not None:
                    self._link.take(channel, content)
        except (ValueError, msgspec.MsgspecError) as error:
            self._complaint = str(error).encode()
            return False
        return True

    def _take_answer(self, answer: bytes) -> None:
        if self._awaited is not None and self._awaited[0] == answer and not self._awaited[1].done():
            self._awaited[1].set_result(None)

    def _end(self) -> str:
        """How it ended, as far as it said."""
        last = one_line(self._complaint.decode(errors="replace").strip().rpartition("\n")[2])
        return last or "it ended without a word"


class ContainerLink(Link):
    """A session in a container. Output comes in order with answers: what was written before one arrives before it."""

    def __init__(self, container: Container) -> None:
        super().__init__()
        self.container = container
        self._answers = Frames(LARGEST)
        self._events = Frames(LARGEST)

    def request(self, frame: bytes) -> None:
        self.container.send(WORKER, framed(frame))

    def order(self, **order: Any) -> None:
        self.container.send(INIT, framed(msgspec.json.encode(order)))

    def drain(self) -> None:
        """Nothing is ever left behind: see above."""

    def restart(self) -> None:
        self._answers = Frames(LARGEST)

    @property
    def alive(self) -> bool:
        return self.container.alive

    def kill(self) -> None:
        self.order(do="kill", pid=self.worker)
        self.order(do="sweep", of=0, keep=[])

    async def close(self) -> None:
        await self.container.end_session()

    def take(self, channel: int, data: bytes) -> None:
        """Hand on what came over one of the session's channels."""
        if channel in _STREAMS:
            if data:
                self.listener.on_output(_STREAMS[channel], data)
        elif channel == WORKER:
            self._take_answers(data)
        elif not data:
            self.listener.on_gone()
        else:
            for frame in self._events.feed(data):
                self.listener.on_event(msgspec.json.decode(frame, type=Event))

    def _take_answers(self, data: bytes) -> None:
        if not data:
            self.listener.on_worker_gone()
            return
        try:
            answers = [msgspec.json.decode(frame, type=Answer) for frame in self._answers.feed(data)]
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            self.listener.on_violation(str(error))
            return
        for answer in answers:
            self.listener.on_answer(answer)
