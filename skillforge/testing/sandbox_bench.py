"""Measures any sandbox through its contract: how fast sessions start, run and end, and how small they are."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.parts.part import PartOptions
from skillforge.parts.sandbox import Sandbox, SandboxPool, SandboxSession
from skillforge.testing.processes import find_marked, is_running, proportional_bytes

Found = TypeVar("Found")

STATEMENT = "x = 1"
MEGABYTE = "import sys\nsys.stdout.write('x' * 1_000_000)\nNone"
BUSY_CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-SEc', 'while True: pass', {mark!r}])"
TASKS = (1, 2, 4, 8)
SESSIONS = 8
IDLE_SESSIONS = 20
PATIENCE = 10.0
"""Seconds that one statement may take, and that a measurement waits for what it needs."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was measured."""

    name: str
    unit: str
    value: float | None
    """The median where there are several samples; None: not measurable."""

    p99: float | None = None
    samples: int = 1
    note: str = ""


async def measure(part: Sandbox, options: PartOptions, *, quick: bool = False) -> list[Figure]:
    """All figures of one sandbox, in under a minute; `quick`: fewer samples, in under ten seconds.

    Raises SkillForgeError where it cannot be opened, or does not run a trivial statement.
    """
    began = time.perf_counter()
    async with part.open(options) as pool:
        async with pool.session() as session:
            await _run(session)
        opened = Figure(name=OPENED, unit="ms", value=1000 * (time.perf_counter() - began))
        return [opened, *await _Bench(pool, scale=0.15 if quick else 1.0).all_figures()]


OPENED = "open, until the first statement is answered"
FRESH = "fresh session, none ready"
FRESH_STATEMENT = "fresh session and a statement, none ready"
READY = "session from the ready ones, light load"
STATEMENT_TIME = "statement in a warm session"
MANY_STATEMENTS = "statements, several sessions"
OUTPUT = "1 MB of stdout in one statement"
IDLE = "idle session (PSS)"
KILL = "end of a session, a child busy in it"


def fresh_rate(tasks: int) -> str:
    """The name of the figure: fresh sandboxes with so many tasks."""
    return f"fresh sandboxes, {tasks} task{'s' * (tasks > 1)}"


class _Bench:
    """The measurements in one open pool; `scale` shortens or lengthens all of them."""

    def __init__(self, pool: SandboxPool, scale: float) -> None:
        self._pool = pool
        self._scale = scale

    async def all_figures(self) -> list[Figure]:
        figures = [await self._ready(), *await self._fresh()]
        for tasks in TASKS:
            figures.append(await self._fresh_rate(tasks))
        figures += await self._statements()
        figures.append(await self._many_statements())
        figures.append(await self._idle_memory())
        figures.append(await self._kill())
        return figures

    def _repeat(self, seconds: float, most: int) -> Callable[[int], bool]:
        """Whether to take one more sample, told how many there are: stops after so many seconds or samples, scaled."""
        end = time.perf_counter() + seconds * self._scale
        return lambda taken: taken < max(most * self._scale, 1) and (taken == 0 or time.perf_counter() < end)

    # Sessions ----------------------------------------------------------------------------------------------------

    async def _ready(self) -> Figure:
        """A session now and then, with time enough for the pool to start the next one."""
        if await self._settled() == 0:
            return Figure(name=READY, unit="ms", value=None, samples=0, note="the sandbox keeps none ready")
        pause = 0.02
        samples: list[float] = []
        again = self._repeat(8.0, 300)
        while again(len(samples)):
            began = time.perf_counter()
            async with self._pool.session() as session:
                samples.append(time.perf_counter() - began)
                await _run(session)
            if self._pool.load().ready == 0:
                pause *= 2
            await asyncio.sleep(pause)
        return milliseconds(READY, samples)

    async def _fresh(self) -> list[Figure]:
        """One session after the other without a pause; those count for which the pool says that it has none ready."""
        acquired: list[float] = []
        answered: list[float] = []
        again = self._repeat(8.0, 500)
        while again(len(acquired)):
            none_ready = self._pool.load().ready == 0
            began = time.perf_counter()
            async with self._pool.session() as session:
                got = time.perf_counter()
                await _run(session)
                if none_ready:
                    acquired.append(got - began)
                    answered.append(time.perf_counter() - began)
        return [milliseconds(FRESH, acquired), milliseconds(FRESH_STATEMENT, answered)]

    async def _fresh_rate(self, tasks: int) -> Figure:
        """Sessions of one statement each, in so many tasks; the first quarter of the time is not counted."""
        seconds = 4.0 * self._scale
        began = time.perf_counter()
        ends: list[float] = []

        async def work() -> None:
            while time.perf_counter() < began + seconds:
                async with self._pool.session() as session:
                    await _run(session)
                ends.append(time.perf_counter())

        await asyncio.gather(*(work() for _ in range(tasks)))
        counted = sum(began + seconds / 4 <= end <= began + seconds for end in ends)
        return Figure(name=fresh_rate(tasks), unit="/s", value=counted / (0.75 * seconds), samples=counted)

    async def _kill(self) -> Figure:
        """From giving up a session, in which a cell waits for a busy child, until it is closed and the child gone."""
        samples: list[float] = []
        again = self._repeat(5.0, 50)
        while again(len(samples)):
            mark = f"skillforge-bench-{time.monotonic_ns()}"
            async with self._pool.session() as session:
                cell = asyncio.create_task(session.run(BUSY_CHILD.format(mark=mark), 2 * PATIENCE))
                child = await self._until(functools.partial(find_marked, mark))
                began = time.perf_counter()
                cell.cancel()
                await asyncio.wait([cell])
            if child is None:
                note = "the child cannot be seen from here"
                return Figure(name=KILL, unit="ms", value=None, samples=0, note=note)
            while is_running(child):
                await asyncio.sleep(0)
            samples.append(time.perf_counter() - began)
        return milliseconds(KILL, samples)

    # Statements --------------------------------------------------------------------------------------------------

    async def _statements(self) -> list[Figure]:
        async with self._pool.session() as session:
            for _ in range(100):
                await _run(session)
            statements = await self._time(session, STATEMENT, self._repeat(4.0, 5000))
            output = await self._time(session, MEGABYTE, self._repeat(3.0, 200))
        return [milliseconds(STATEMENT_TIME, statements), milliseconds(OUTPUT, output)]

    async def _time(self, session: SandboxSession, code: str, again: Callable[[int], bool]) -> list[float]:
        samples: list[float] = []
        while again(len(samples)):
            began = time.perf_counter()
            await _run(session, code)
            samples.append(time.perf_counter() - began)
        return samples

    async def _many_statements(self) -> Figure:
        seconds = 3.0 * self._scale
        async with self._sessions(SESSIONS) as sessions:
            await asyncio.gather(*map(_run, sessions))
            end = time.perf_counter() + seconds

            async def work(session: SandboxSession) -> int:
                done = 0
                while time.perf_counter() < end:
                    await _run(session)
                    done += 1
                return done

            done = sum(await asyncio.gather(*map(work, sessions)))
        note = f"{len(sessions)} sessions"
        return Figure(name=MANY_STATEMENTS, unit="/s", value=done / seconds, samples=done, note=note)

    # Memory ------------------------------------------------------------------------------------------------------

    async def _idle_memory(self) -> Figure:
        """What all descendants of this process hold more for each session that was opened and has run a statement."""
        await self._settled()
        before = proportional_bytes()
        async with self._sessions(IDLE_SESSIONS) as sessions:
            await asyncio.gather(*map(_run, sessions))
            await self._settled()
            after = proportional_bytes()
        if before is None or after is None:
            return Figure(name=IDLE, unit="MB", value=None, samples=0, note="/proc/PID/smaps_rollup cannot be read")
        if len(after) < len(before) + len(sessions):
            return Figure(name=IDLE, unit="MB", value=None, samples=0, note="its processes are not ours")
        grown = (sum(after.values()) - sum(before.values())) / len(sessions)
        return Figure(name=IDLE, unit="MB", value=grown / 1e6, samples=len(sessions))

    # What they need ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _sessions(self, count: int) -> AsyncIterator[list[SandboxSession]]:
        """So many sessions at once, or as many as the sandbox gives."""
        async with AsyncExitStack() as stack:
            sessions: list[SandboxSession] = []
            try:
                async with asyncio.timeout(PATIENCE):
                    while len(sessions) < count:
                        sessions.append(await stack.enter_async_context(self._pool.session()))
            except TimeoutError:
                if not sessions:
                    raise
            yield sessions

    async def _settled(self) -> int:
        """How many sessions are ready when their number no longer grows."""
        ready, since = self._pool.load().ready, time.perf_counter()
        start = since
        while time.perf_counter() < min(since + 0.5, start + PATIENCE):
            await asyncio.sleep(0.01)
            if self._pool.load().ready != ready:
                ready, since = self._pool.load().ready, time.perf_counter()
        return ready

    async def _until(self, ask: Callable[[], Found]) -> Found:
        """The first answer that is true, or the last one before patience ends."""
        end = time.perf_counter() + PATIENCE
        while not (found := ask()) and time.perf_counter() < end:
            await asyncio.sleep(0.005)
        return found


async def _run(session: SandboxSession, code: str = STATEMENT) -> None:
    execution = await session.run(code, PATIENCE)
    if execution.status != "ok":
        raise SkillForgeError(f"the sandbox ended a harmless statement with '{execution.status}' ({execution.detail})")


def milliseconds(name: str, seconds: Sequence[float]) -> Figure:
    """Median and p99 of samples in seconds, as a figure in milliseconds."""
    if not seconds:
        return Figure(name=name, unit="ms", value=None, samples=0, note="one was always ready")
    ordered = sorted(1000 * sample for sample in seconds)
    p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return Figure(name=name, unit="ms", value=ordered[len(ordered) // 2], p99=p99, samples=len(ordered))
