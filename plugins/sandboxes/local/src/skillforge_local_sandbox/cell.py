"""One cell while it runs: what it has written, and how it ends."""

from __future__ import annotations

import asyncio
import codecs
import secrets
import time

import msgspec

from skillforge import Execution
from skillforge.parts.sandbox import ExecutionStatus, OutputListener, SessionState, StreamName
from skillforge_local_sandbox.link import Answer
from skillforge_local_sandbox.output import HeadAndTail

NONCE_BYTES = 8


class End(msgspec.Struct, frozen=True):
    """How a cell, or an interpreter between two cells, ended otherwise than by an answer."""

    status: ExecutionStatus
    detail: str


class Cell:
    """Collects what happens until the first of: an answer with its nonce, or an End."""

    def __init__(self, asked: float, output_kept: int, output_limit: int, on_output: OutputListener | None) -> None:
        self.nonce = secrets.token_hex(NONCE_BYTES)
        self.done: asyncio.Future[Answer | End] = asyncio.get_running_loop().create_future()
        self.interrupted = False
        self.watched = False
        self.timers: list[asyncio.TimerHandle] = []
        self._asked = asked
        self._limit = output_limit
        self._on_output = on_output
        self._outputs: dict[StreamName, HeadAndTail] = {
            "stdout": HeadAndTail(output_kept),
            "stderr": HeadAndTail(output_kept),
        }
        self._decoders = {name: _decoder() for name in self._outputs} if on_output else {}
        self._late = ""
        self._began = self._seconds = 0.0

    def begin(self, late: str) -> None:
        """A ready worker gets the code now; `late` is what was written since the last cell."""
        self._late = late
        self._began = time.monotonic()

    def stop(self) -> None:
        """The cell has ended; only output that is on its way may still come."""
        self._seconds = time.monotonic() - self._began

    def accept(self, answer: Answer) -> bool:
        """Take the answer to this cell; whether it is one."""
        if answer.nonce != self.nonce or self.done.done():
            return False
        self.done.set_result(answer)
        return True

    def end(self, end: End) -> None:
        if not self.done.done():
            self.done.set_result(end)

    def add(self, stream: StreamName, data: bytes) -> None:
        """Take output; too much of it ends the cell."""
        self._outputs[stream].add(data)
        if self._on_output is not None:
            self._on_output(stream, self._decoders[stream].decode(data))
        if sum(output.written for output in self._outputs.values()) > self._limit:
            self.end(End("output-limit", f"more than {self._limit:,} bytes"))

    def execution(
        self, status: ExecutionStatus, state: SessionState, detail: str, answer: Answer | None = None
    ) -> Execution:
        """What the cell gave."""
        late = self._late
        if answer is not None:
            late += answer.late
            if answer.threads and not detail:
                detail = f"threads still running: {answer.threads}"
        return Execution(
            status=status,
            state=state,
            stdout=self._outputs["stdout"].text(),
            stderr=self._outputs["stderr"].text(),
            value=answer.value if answer else None,
            detail=detail,
            late_output=late,
            seconds=self._seconds,
            waited=self._began - self._asked,
        )


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")
