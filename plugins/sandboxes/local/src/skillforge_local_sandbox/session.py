"""A session as the supervisor sees it: runs cells over a link, within their time, and says what became of each."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from skillforge import Execution, SandboxSession, SkillForgeError, UsageError
from skillforge.parts.sandbox import ExecutionStatus, OutputListener, SessionState, StreamName
from skillforge_local_sandbox.cell import Cell, End
from skillforge_local_sandbox.link import Answer, Event, Link
from skillforge_local_sandbox.output import HeadAndTail
from skillforge_sandbox_jail.frames import LARGEST

INTERRUPT_GRACE = 0.5
"""Seconds that interrupted code has to come to an end."""

WATCH_AFTER = 0.05
"""Seconds after which a cell's memory is watched closely."""

REPLY_PATIENCE = 2.0
"""Seconds in which a session's init, or a worker that starts, must answer."""

CLOSING_PATIENCE = 0.2
"""Seconds from the end of a worker's connection until its init must have told how the worker ended."""

RESTORABLE: frozenset[ExecutionStatus] = frozenset({"timeout", "died", "oom", "output-limit"})


class Limits(msgspec.Struct, frozen=True):
    """What the supervisor holds a session to; output in bytes."""

    output_kept: int
    output: int
    checkpoint: bool


class Session(SandboxSession):
    """One session, or a branch of one. `fresh` brings the link to a new interpreter, where this one's is lost."""

    def __init__(
        self, link: Link, fresh: Callable[[], Awaitable[Link]], limits: Limits, family: set[int] | None = None
    ) -> None:
        self._fresh = fresh
        self._limits = limits
        self._turn = asyncio.Lock()
        self._cell: Cell | None = None
        self._ended: End | None = None
        self._swept: asyncio.Future[bool] | None = None
        self._greeting: asyncio.Future[int] | None = None
        self._family: set[int] = set() if family is None else family
        self._link: Link | None = None
        self._take(link)

    async def run(self, code: str, timeout: float, on_output: OutputListener | None = None) -> Execution:
        if not 0 < timeout < math.inf:
            raise UsageError(f"a cell cannot run for {timeout} s", "give a positive number of seconds")
        request = code.encode("utf-8", "surrogatepass")
        if len(request) > LARGEST - 1024:
            return Execution(status="error", detail=f"the code is larger than {LARGEST // 2**20} MB")
        asked = time.monotonic()
        async with self._turn:
            if self._ended is not None:
                ended = await self._lose()
                return Execution(status=ended.status, state="lost", detail=f"between two cells: {ended.detail}")
            if self._link is None:
                self._take(await self._fresh())
            cell = Cell(asked, self._limits.output_kept, self._limits.output, on_output)
            try:
                return await self._run(cell, request, timeout)
            except asyncio.CancelledError:
                self._ended = End("sandbox-error", "the cell before was cancelled")
                if self._link is not None:
                    self._link.kill()
                raise

    @asynccontextmanager
    async def fork(self) -> AsyncIterator[SandboxSession]:
        async with self._turn:
            if self._link is None:
                self._take(await self._fresh())
            assert self._link is not None
            try:
                if self._ended is not None:
                    raise OSError(self._ended.detail)
                link = await self._link.fork()
            except (OSError, TimeoutError) as error:
                raise SkillForgeError(
                    f"the session cannot be forked: {error}", "run a cell, which tells what became of it"
                ) from error
        branch = Session(link, self._fresh, self._limits, self._family)
        try:
            yield branch
        finally:
            await branch.close()

    async def close(self) -> None:
        """End the session, or the branch, with all its processes."""
        if self._link is not None:
            await self._drop()

    # A cell --------------------------------------------------------------------------------------------------------

    async def _run(self, cell: Cell, request: bytes, timeout: float) -> Execution:
        assert self._link is not None
        loop = asyncio.get_running_loop()
        self._cell, self._snapshot = cell, 0
        what = b"C" if self._limits.checkpoint else b"R"
        cell.begin(self._late.take())
        timers = [
            loop.call_later(timeout, self._interrupt, cell),
            loop.call_later(WATCH_AFTER, self._watch, cell),
        ]
        try:
            self._link.request(what + cell.nonce.encode() + request)
            outcome = await cell.done
            cell.stop()
            self._link.drain()
        finally:
            for timer in (*timers, *cell.timers):
                timer.cancel()
            self._cell = None
        if isinstance(outcome, Answer):
            return await self._conclude(cell, outcome, timeout)
        if outcome.status == "died" and self._link is not None and self._link.ran_out_of_memory():
            outcome = End("oom", "more memory than its limit")
        state = await self._recover(outcome)
        return cell.execution(outcome.status, state, outcome.detail)

    async def _conclude(self, cell: Cell, answer: Answer, timeout: float) -> Execution:
        """What a cell came to that the worker has answered."""
        status: ExecutionStatus = "ok"
        state: SessionState = "kept"
        detail = answer.detail
        if cell.interrupted:
            status, detail = "timeout", f"interrupted after {timeout:g} s"
        elif answer.status in ("error", "exit"):
            status = answer.status  # type: ignore[assignment]
        if cell.watched:
            self._order("rest", keep=[])
        if (answer.children or cell.interrupted) and not await self._sweep():
            await self._lose()
            state, detail = "lost", detail or "its processes could not be ended one by one"
        return cell.execution(status, state, detail, answer)

    async def _recover(self, end: End) -> SessionState:
        """Go on after a cell that took its interpreter along."""
        if self._snapshot and end.status in RESTORABLE and await self._restore():
            return "restored"
        await self._lose()
        return "lost"

    async def _restore(self) -> bool:
        """Let the copy that was made before the cell take its place; whether that worked."""
        assert self._link is not None
        snapshot = self._snapshot
        self._order("kill", pid=self._worker)
        if not await self._sweep(0, [*self._family - {self._worker}, snapshot]):
            return False
        self._link.drain()
        self._link.restart()
        self._late.take()
        self._greeting = asyncio.get_running_loop().create_future()
        self._order("restore", pid=snapshot)
        try:
            greeted = await asyncio.wait_for(self._greeting, REPLY_PATIENCE)
        except TimeoutError:
            return False
        self._ended = None
        self._set_worker(greeted)
        self._order("rest", keep=[])
        return True

    async def _sweep(self, worker: int | None = None, keep: list[int] | None = None) -> bool:
        """End the processes that this worker has left behind; whether they are gone."""
        worker = self._worker if worker is None else worker
        self._swept = asyncio.get_running_loop().create_future()
        self._order("sweep", of=worker, keep=list(self._family - {worker}) if keep is None else keep)
        try:
            return await asyncio.wait_for(self._swept, REPLY_PATIENCE)
        except TimeoutError:
            return False

    def _interrupt(self, cell: Cell) -> None:
        cell.interrupted = True
        self._order("interrupt", pid=self._worker)
        out_of_grace = End("timeout", "ended by force")
        cell.timers.append(asyncio.get_running_loop().call_later(INTERRUPT_GRACE, cell.end, out_of_grace))

    def _watch(self, cell: Cell) -> None:
        cell.watched = True
        self._order("watch", of=self._worker, keep=[self._snapshot] if self._snapshot else [])

    # The link ------------------------------------------------------------------------------------------------------

    def _take(self, link: Link) -> None:
        self._link, link.listener = link, self
        self._late = HeadAndTail(self._limits.output_kept)
        self._set_worker(link.worker)
        self._order("rest", keep=[])

    def _set_worker(self, pid: int) -> None:
        self._family.discard(getattr(self, "_worker", 0))
        self._worker = pid
        self._family.add(pid)

    def _order(self, do: str, **order: object) -> None:
        if self._link is not None:
            self._link.order(do=do, **order)

    async def _lose(self) -> End:
        """Give the interpreter up, with all its processes; how it ended, where it did so by itself."""
        ended, self._ended = self._ended or End("sandbox-error", "given up"), None
        await self._drop()
        return ended

    async def _drop(self) -> None:
        link, self._link = self._link, None
        self._family.discard(self._worker)
        if link is not None:
            await link.close()

    def _end(self, end: End) -> None:
        if self._cell is not None:
            self._cell.end(end)
        elif self._link is not None and self._ended is None:
            self._ended = end

    # What the link tells -------------------------------------------------------------------------------------------

    def on_answer(self, answer: Answer) -> None:
        cell = self._cell
        if answer.status == "ready" and self._greeting is not None and not self._greeting.done():
            self._greeting.set_result(answer.pid)
        elif answer.status == "snapshot" and cell is not None and self._limits.checkpoint and not self._snapshot:
            self._snapshot = answer.pid
        elif cell is None or not cell.accept(answer):
            self._end(End("protocol-violation", "an answer that nothing asked for"))

    def on_event(self, event: Event) -> None:
        if event.event == "swept" and event.of in (self._worker, 0):
            if self._swept is not None and not self._swept.done():
                self._swept.set_result(event.clean)
        elif event.event == "ended" and event.of == self._worker:
            self._end(End("died", _describe_end(event)))
        elif event.event == "oom":
            self._end(End("oom", f"more than {event.bytes // 2**20:,} MB in all its processes"))

    def on_output(self, stream: StreamName, data: bytes) -> None:
        if self._cell is not None:
            self._cell.add(stream, data)
        else:
            self._late.add(data)
            if self._late.written > self._limits.output and self._ended is None and self._link is not None:
                self._end(End("output-limit", f"more than {self._limits.output:,} bytes"))
                self._link.kill()

    def on_violation(self, what: str) -> None:
        self._end(End("protocol-violation", what))

    def on_worker_gone(self) -> None:
        end = End("died", "it closed its connection")
        asyncio.get_running_loop().call_later(CLOSING_PATIENCE, self._end_of, self._link, end)

    def _end_of(self, link: Link | None, end: End) -> None:
        if link is self._link:
            self._end(end)

    def on_gone(self) -> None:
        self._end(End("died", "the whole session was ended"))


def _describe_end(event: Event) -> str:
    if event.code is not None:
        return f"exit code {event.code}"
    if not event.signal:
        return "its process has ended"
    try:
        return signal.Signals(event.signal).name
    except ValueError:
        return f"signal {event.signal}"
