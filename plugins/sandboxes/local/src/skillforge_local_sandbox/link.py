"""What connects the supervisor to one session, wherever that runs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Annotated, Any, Protocol

import msgspec

from skillforge import UsageError
from skillforge.parts.sandbox import StreamName
from skillforge_sandbox_jail.worker import LONGEST_TEXT

Text = Annotated[str, msgspec.Meta(max_length=8 * LONGEST_TEXT)]
"""A worker cuts its texts, and may then write six characters for one."""

Number = Annotated[int, msgspec.Meta(ge=0, le=2**22)]
"""Pids and counts of threads; the kernel gives no larger ones."""


class Answer(msgspec.Struct, frozen=True):
    """What a worker says. All of it is a claim of a process that foreign code controls."""

    nonce: Text
    status: Text
    value: Text | None = None
    detail: Text = ""
    late: Text = ""
    threads: Number = 0
    children: bool = False
    pid: Number = 0


class Event(msgspec.Struct, frozen=True):
    """What a session's init says; `of`: which worker it is about."""

    event: str
    of: int = 0
    code: int | None = None
    signal: int = 0
    clean: bool = False
    bytes: int = 0


class Listener(Protocol):
    """Told of what comes over a link."""

    def on_answer(self, answer: Answer) -> None: ...
    def on_event(self, event: Event) -> None: ...
    def on_output(self, stream: StreamName, data: bytes) -> None: ...
    def on_violation(self, what: str) -> None:
        """The worker sent what no worker sends."""

    def on_worker_gone(self) -> None:
        """The worker's channel has closed."""

    def on_gone(self) -> None:
        """Nothing is left of the session."""


class Link(ABC):
    """A session's four channels. `greeted` is awaited and then `listener` set before anything else is called."""

    listener: Listener
    worker: int = 0
    """The worker's pid, as it and its init know it."""

    def __init__(self) -> None:
        self.listener = self._greeting = Greeting()

    async def greeted(self, patience: float) -> None:
        """Wait until the worker is ready. Raises OSError where that fails, TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience):
            self.worker = await self._greeting.pid

    @abstractmethod
    def request(self, frame: bytes) -> None:
        """Send the worker a request; what it does not take at once goes in the background."""

    @abstractmethod
    def order(self, **order: Any) -> None:
        """Tell the session's init to do something (see `skillforge_sandbox_jail.init`)."""

    @abstractmethod
    def drain(self) -> None:
        """Hand on the output that was written before the answer that has just come."""

    @property
    def alive(self) -> bool:
        """Whether the session may still be used, as far as is known."""
        return True

    @abstractmethod
    def kill(self) -> None:
        """Begin to end what runs, without waiting for it. `close` is still needed."""

    @abstractmethod
    async def close(self) -> None:
        """End the session with all that is in it; returns when it is gone."""

    @abstractmethod
    def restart(self) -> None:
        """Forget what the last worker left unsaid: another one takes its place on the same channel."""

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has ended a process of the session for its memory."""
        return False

    async def fork(self) -> Link:
        """A link to a copy of the worker. Raises UsageError where descriptors cannot be passed."""
        raise UsageError("this sandbox cannot fork a session", "open another session and run the cells again")


class Greeting:
    """Waits for a worker's first word."""

    def __init__(self) -> None:
        self.pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._said = b""

    def on_answer(self, answer: Answer) -> None:
        if not self.pid.done():
            self.pid.set_result(answer.pid)

    def on_event(self, event: Event) -> None:
        pass

    def on_output(self, stream: StreamName, data: bytes) -> None:
        self._said = data

    def on_violation(self, what: str) -> None:
        self._fail(what)

    def on_worker_gone(self) -> None:
        self._fail("the worker has ended")

    def on_gone(self) -> None:
        self._fail("the session has ended")

    def _fail(self, why: str) -> None:
        if not self.pid.done():
            said = self._said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            self.pid.set_exception(OSError(f"{why} ({said})" if said else why))
            self.pid.exception()  # heard: whoever began the session may have given it up
