"""HostedSession: a session that a client holds by its id."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from typing import Any

from skillforge import Execution, SandboxSession, UsageError
from skillforge.text import one_line
from skillforge_http_sandbox.cells import Cell, CellLog
from skillforge_http_sandbox.faults import Refused
from skillforge_http_sandbox.wire import NewCell, new_session_id

_MOST_FORKS = 64
"""Of one session, forks of its forks included."""


class HostedSession:
    """A task of its own keeps it open until it is ended, or idle for too long."""

    def __init__(
        self,
        session_id: str,
        opening: AbstractAsyncContextManager[SandboxSession],
        idle_limit: float,
        parent: HostedSession | None = None,
    ) -> None:
        self.id = session_id
        self.expired = False
        self._idle_limit = idle_limit
        self._parent = parent
        self._family: set[HostedSession] = parent._family if parent else set()  # all forks of one session
        self._cells = CellLog()
        self._running: Cell | None = None
        self._forking = False
        self._loop = asyncio.get_running_loop()
        self._last_used = self._loop.time()
        self._over = asyncio.Event()
        self._ready: asyncio.Future[SandboxSession] = self._loop.create_future()
        self.life = asyncio.create_task(self._live(opening))
        """Done when nothing is left of the session."""

    async def opened(self) -> None:
        """Wait until it is open. Raises what opening it raised; cancelling the call ends it."""
        try:
            either: set[asyncio.Future[Any]] = {self.life, self._ready}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.life.cancel()
            await asyncio.wait({self.life})
            raise
        if not self._ready.done():
            if self.life.cancelled():
                raise Refused("ended", "the service is ending")
            self.life.result()

    def start(self, request: NewCell, *, streamed: bool) -> Cell:
        """The cell of this id, started if it was not. Raises Refused where another one runs."""
        cell = self._cells.find(request)
        if cell is None:
            self._refuse_unless_free()
            cell = self._running = Cell(self._ready.result(), request, streamed=streamed)
            cell.task.add_done_callback(self._finished)
            self._cells.add(cell)
        return cell

    async def result(self, cell: Cell) -> Execution:
        """What the cell gave. Raises Refused where it was cancelled or the sandbox failed.

        Cancelling the call leaves the cell running.
        """
        await asyncio.wait({cell.task})
        if cell.task.cancelled():
            if self._over.is_set():
                raise Refused("ended", "the session was ended while the cell ran")
            raise Refused("repeated-cell", f"cell {cell.request.id} was cancelled")
        if error := cell.task.exception():
            raise Refused("internal", f"the sandbox failed: {type(error).__name__}: {one_line(str(error))}")
        return cell.task.result()

    async def cancel(self, cell_id: str) -> None:
        """End a cell; one that was not started yet never will be."""
        if task := self._cells.cancel(cell_id):
            await asyncio.wait({task})

    async def fork(self) -> HostedSession:
        """A session that goes on from here. Raises Refused where that cannot be."""
        self._refuse_unless_free()
        if len(self._family) >= _MOST_FORKS:
            raise Refused("cannot-fork", f"the session has {_MOST_FORKS} forks already")
        self._forking = True
        try:
            fork = HostedSession(new_session_id(), self._ready.result().fork(), self._idle_limit, self)
            self._family.add(fork)
            fork.life.add_done_callback(lambda _: self._family.discard(fork))
            await fork.opened()
        except UsageError as error:
            raise Refused("cannot-fork", error.what) from error
        finally:
            self._forking = False
            self._last_used = self._loop.time()
        return fork

    def end(self) -> None:
        """Let it end: first its forks, then its cell. `life` tells when that is done."""
        self._over.set()
        if not self._ready.done():
            self.life.cancel()

    def _refuse_unless_free(self) -> None:
        if self._over.is_set():
            raise Refused("unknown-session", "the session is ending")
        if self._running or self._forking:
            raise Refused("busy", "the session runs another cell, or is being forked")

    def _finished(self, task: asyncio.Task[Execution]) -> None:
        self._running = None
        self._last_used = self._loop.time()
        if not task.cancelled() and task.exception():
            self.end()  # nobody knows what is left of it

    async def _live(self, opening: AbstractAsyncContextManager[SandboxSession]) -> None:
        async with opening as session:
            self._ready.set_result(session)
            try:
                await self._until_over()
            finally:
                self._over.set()
                await self._stop()

    async def _until_over(self) -> None:
        while not self._over.is_set():
            left = self._idle_limit - self._idle_seconds()
            if left <= 0:
                self.expired = True
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), left)

    def _idle_seconds(self) -> float:
        if self._running or self._forking:
            return 0.0
        return min([self._loop.time() - self._last_used, *(fork._idle_seconds() for fork in self._forks())])

    def _forks(self) -> list[HostedSession]:
        return [fork for fork in self._family if fork._parent is self]

    async def _stop(self) -> None:
        forks = self._forks()
        for fork in forks:
            fork.end()
        ending: set[asyncio.Task[Any]] = {fork.life for fork in forks}
        if self._running:
            self._running.task.cancel()
            ending.add(self._running.task)
        if ending:
            await asyncio.wait(ending)
