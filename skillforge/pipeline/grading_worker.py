"""One grading process as the event loop sees it: what it is asked, what it has answered, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from skillforge.child import READ_BYTES, Child, Frames, framed
from skillforge.pipeline.grading_process import OK
from skillforge.runs.rows import encoded
from skillforge.text import one_line

ANSWER_LIMIT = 30.0
"""Seconds that a grader may take for one answer; its process is killed then."""

START_LIMIT = 120.0
"""Seconds until a process must have imported its grader."""

LOOKS = 20
"""How often a silent process is looked at until its time is over."""

PAUSE = 0.005
"""Seconds between two looks at a process that is busy: to wake for each question and answer costs more than a short one."""

AHEAD_SECONDS = 0.02
AHEAD_MOST = 512
"""A process is given so much work ahead, by its pace, and no more questions than that."""


class Question:
    """What a grader is asked. The answer, or what `failed` makes of the grader's fault, goes to `future`."""

    def __init__(
        self,
        method: bytes,
        argument: Any,
        future: asyncio.Future[Any],
        decoder: msgspec.json.Decoder[Any],
        failed: Callable[[str], Any],
    ) -> None:
        self.future = future
        self._method = method
        self._argument = argument
        self._decoder = decoder
        self._failed = failed

    def message(self) -> bytes:
        """What goes over the connection. Made when it goes, so that what waits is held once."""
        return self._method + encoded(self._argument)

    def answer(self, reply: bytes) -> None:
        """Take what the process replied."""
        if reply[:1] != OK:
            self.fail(reply[1:].decode("utf-8", "replace"))
        elif not self.future.done():
            try:
                self.future.set_result(self._decoder.decode(reply[1:]))
            except msgspec.DecodeError as error:
                self.fail(f"gave no valid answer: {one_line(str(error))}")

    def fail(self, fault: str) -> None:
        """There is no reply: the grader did what `fault` says."""
        if not self.future.done():
            self.future.set_result(self._failed(fault))

    def give_up(self, error: Exception) -> None:
        """There will be none, from any process."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # it is no fault if nobody waits for it any more


class Worker:
    """A grading process. `hand` holds what it was asked and has not answered: it works on the first of these."""

    def __init__(self, judge: bytes) -> None:
        self.hand: deque[Question] = deque()
        self.ahead = 1
        self.ready = False
        self._outgoing = bytearray()
        self._sending: asyncio.Task[None] | None = None
        self._silent_looks = 0
        self._since = 0.0
        self._child = Child("skillforge.pipeline.grading_process")
        self._child.send(judge)
        self._child.socket.setblocking(False)

    def take(self, question: Question) -> None:
        """Put `question` in hand; it goes out with the next `send`."""
        if not self.hand:
            self._silent_looks, self._since = 0, time.monotonic()
        self.hand.append(question)
        self._outgoing += framed(question.message())

    def send(self) -> None:
        if self._outgoing and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # what became of the process is seen where its answers are read
            while self._outgoing:
                data, self._outgoing = self._outgoing, bytearray()
                await loop.sock_sendall(self._child.socket, data)

    async def work(self, progressed: Callable[[], None]) -> str:
        """Pass answers on, and tell of it, until the process ends. Returns how it ended: `ended the process with …`."""
        try:
            return await self._attend(progressed)
        finally:
            if self._sending is not None:
                self._sending.cancel()
                await asyncio.gather(self._sending, return_exceptions=True)

    async def _attend(self, progressed: Callable[[], None]) -> str:
        frames = Frames()
        while True:
            limit = ANSWER_LIMIT if self.ready else START_LIMIT
            try:
                data = await self._receive(limit / LOOKS)
            except TimeoutError:
                # Looks are counted, not seconds: if this process is paused, the other one is not to blame.
                self._silent_looks += 1
                if self._silent_looks >= LOOKS and (self.hand or not self.ready):
                    return f"did not end within {limit:g} s"
                continue
            if not data:
                return self._child.how_it_ended()
            replies = frames.feed(data)
            if not self.ready and replies:
                if (reply := replies.pop(0)) != OK:
                    return reply[1:].decode("utf-8", "replace")
                self.ready = True
            if len(replies) > len(self.hand):
                return "answered more than it was asked"
            self._pass_on(replies)
            progressed()
            if self.hand:
                await asyncio.sleep(PAUSE)

    async def _receive(self, seconds: float) -> bytes:
        """What the process has written; nothing where it has ended. Raises TimeoutError.

        Not by a stream of asyncio: that forgets answers which are there to be read once it cannot send to a dead process,
        and a sample that has been judged would be taken for the one that harmed it.
        """
        loop, socket = asyncio.get_running_loop(), self._child.socket
        while True:
            with contextlib.suppress(BlockingIOError):
                try:
                    return socket.recv(READ_BYTES)
                except ConnectionError:  # it ended with questions unread
                    return b""
            readable = asyncio.Event()
            loop.add_reader(socket, readable.set)
            try:
                async with asyncio.timeout(seconds):
                    await readable.wait()
            finally:
                loop.remove_reader(socket)

    def _pass_on(self, replies: Sequence[bytes]) -> None:
        for reply in replies:
            self.hand.popleft().answer(reply)
        if replies:
            now = time.monotonic()
            pace = len(replies) / max(now - self._since, 1e-9)
            self.ahead = max(1, min(AHEAD_MOST, int(AHEAD_SECONDS * pace)))
            self._silent_looks, self._since = 0, now

    def close(self) -> None:
        """End the process and all that it started."""
        self._child.close()
