"""The clock that ends samples: at its own moment, after a sample's own time, and when it is moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from skillforge.rollout.clock import Clock, TimeUp


def now() -> float:
    return asyncio.get_running_loop().time()


async def wait(clock: Clock, seconds: float | None = None, work: float = 30.0) -> str:
    try:
        async with clock.watching(seconds):
            await asyncio.sleep(work)
    except TimeUp:
        return "time"
    return "done"


def run(use: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await use()

    asyncio.run(bounded())


def test_without_a_moment_work_goes_to_its_end() -> None:
    async def use() -> None:
        assert await wait(Clock(), work=0.01) == "done"
        assert await wait(Clock(now() + 9), 9.0, work=0.01) == "done"

    run(use)


def test_whichever_comes_first_ends_the_work() -> None:
    async def use() -> None:
        assert await wait(Clock(), 0.01) == "time"
        assert await wait(Clock(now() + 0.01)) == "time"
        assert await wait(Clock(now() + 9), 0.01) == "time"
        assert await wait(Clock(now() + 0.01), 9.0) == "time"
        same = now() + 0.01
        assert await wait(Clock(same), same - now()) == "time"

    run(use)


def test_moved_it_ends_what_runs_and_what_begins_later() -> None:
    async def use() -> None:
        clock = Clock()
        running = [asyncio.create_task(wait(clock)) for _ in range(3)]
        await asyncio.sleep(0.01)
        clock.move(now() + 9)
        clock.move(now())
        assert await asyncio.gather(*running) == ["time"] * 3
        assert await wait(clock) == "time"
        clock.move(None)
        assert await wait(clock, work=0.01) == "done"

    run(use)


def test_it_can_be_moved_while_work_ends() -> None:
    """The moment has come, but what it ends has not run yet: moving the clock then is no error."""

    async def use() -> None:
        clock = Clock(now() + 0.01)
        running = asyncio.create_task(wait(clock))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        moved: list[object] = []
        loop.set_exception_handler(lambda _, context: moved.append(context["exception"]))
        loop.call_at(loop.time() + 0.01, lambda: moved.append(clock.move(loop.time())))  # next after the clock's moment
        time.sleep(0.05)
        assert await running == "time"
        assert moved == [None]

    run(use)


def test_a_time_out_within_the_work_is_not_the_clocks() -> None:
    async def use() -> None:
        with pytest.raises(TimeoutError, match="of the work"):
            async with Clock(now() + 9).watching(9.0):
                raise TimeoutError("of the work")

    run(use)


def test_cancelled_from_outside_it_stays_cancelled() -> None:
    async def use() -> None:
        task = asyncio.create_task(wait(Clock(now() + 9), 9.0))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(use)
