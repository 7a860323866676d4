"""The cells of a session that the service holds: each runs once, however often it is asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from skillforge import Execution, SandboxSession
from skillforge.parts.sandbox import StreamName
from skillforge_http_sandbox.faults import Refused
from skillforge_http_sandbox.wire import LARGEST_ANSWER, NewCell, Output, encode

_RESULTS_KEPT = 8
_IDS_KEPT = 10_000
_LARGEST_BACKLOG = 4 * 2**20
"""Characters of output that may wait for one client."""


class Cell:
    """Code that a session was given: running or done. It runs on when those who wait for it go away."""

    def __init__(self, session: SandboxSession, request: NewCell, *, streamed: bool) -> None:
        self.request = request
        self._readers: list[OutputReader] = []
        running = session.run(request.code, request.timeout, self._tell if streamed else None)
        self.task: asyncio.Task[Execution] = asyncio.create_task(running)

    @contextmanager
    def output(self) -> Iterator[OutputReader]:
        """What the code writes from now on, if it was started with `streamed`; ends with the cell."""
        reader = OutputReader()
        self._readers.append(reader)
        self.task.add_done_callback(lambda _: reader.close())
        try:
            yield reader
        finally:
            self._readers.remove(reader)

    def _tell(self, stream: StreamName, text: str) -> None:
        for reader in self._readers:
            reader.put(stream, text)


class OutputReader:
    """Output on its way to one client, in order. It ends early for a client that is too slow, or where it is too long.

    The result of the cell holds the output anyway.
    """

    def __init__(self) -> None:
        self._pieces: list[Output] = []
        self._backlog = 0
        self._complete = True
        self._closed = False
        self._news = asyncio.Event()

    def put(self, stream: StreamName, text: str) -> None:
        """Add the next piece."""
        self._backlog += len(text)
        self._complete = self._complete and self._backlog <= _LARGEST_BACKLOG
        if self._complete:
            self._pieces.append(Output(stream, text))
            self._news.set()

    def close(self) -> None:
        """There will be no more."""
        self._closed = True
        self._news.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """The output as events of the stream, several lines at once where they are there."""
        size, closed = 0, False
        while not closed:
            await self._news.wait()
            self._news.clear()
            closed = self._closed
            pieces, self._pieces, self._backlog = self._pieces, [], 0
            lines = b"".join(encode(piece) + b"\n" for piece in pieces)
            size += len(lines)
            self._complete = self._complete and size <= LARGEST_ANSWER
            if lines and size <= LARGEST_ANSWER:
                yield lines


class CellLog:
    """The cells of one session by their ids: the last ones with their results, older ones only as known."""

    def __init__(self) -> None:
        self._cells: dict[str, Cell | None] = {}
        self._with_result: deque[str] = deque()

    def find(self, request: NewCell) -> Cell | None:
        """The cell that was started with this id, if any. Raises Refused where its result is not to be had."""
        if request.id not in self._cells:
            return None
        cell = self._cells[request.id]
        if cell is None:
            raise Refused("repeated-cell", f"cell {request.id} was run or cancelled; its result is not kept any more")
        if cell.request != request:
            raise Refused("repeated-cell", f"cell {request.id} is another one: each needs an id of its own")
        return cell

    def add(self, cell: Cell) -> None:
        """Remember a cell that was started."""
        self._know(cell.request.id, cell)
        self._with_result.append(cell.request.id)
        if len(self._with_result) > _RESULTS_KEPT:
            self._cells[self._with_result.popleft()] = None

    def cancel(self, cell_id: str) -> asyncio.Task[Execution] | None:
        """End the cell of this id, or see to it that none ever runs; the task that is ending, if any."""
        cell = self._cells.get(cell_id)
        if cell is None:
            self._know(cell_id, None)
            return None
        cell.task.cancel()
        return cell.task

    def _know(self, cell_id: str, cell: Cell | None) -> None:
        self._cells[cell_id] = cell
        if len(self._cells) > _IDS_KEPT:
            del self._cells[next(iter(self._cells))]
