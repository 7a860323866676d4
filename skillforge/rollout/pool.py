"""Keeps a changing number of rollouts going, each refilled the moment one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from skillforge.rollout.limiter import Limiter

Job = TypeVar("Job")
Result = TypeVar("Result")


async def run_pool(
    jobs: Iterator[Job],
    work: Callable[[Job], Awaitable[Result]],
    finished: Callable[[Result], None],
    limiter: Limiter,
) -> None:
    """Do `work` on every job, at most `limiter.limit` at once, and hand each result to `finished` as it ends.

    Jobs are drawn only when one can start, so memory does not grow with their number. The first exception, in a job or in
    `finished`, cancels the rest and is raised.
    """
    active: set[asyncio.Task[None]] = set()
    freed = asyncio.Event()
    faults: list[BaseException] = []

    async def do(job: Job) -> None:
        finished(await work(job))

    def ended(task: asyncio.Task[None]) -> None:
        active.discard(task)
        if task.cancelled():  # by the job itself: its result is missing, so the work is not done
            faults.append(RuntimeError("a job ended as cancelled, though nobody cancelled it"))
        elif (fault := task.exception()) is not None:
            faults.append(fault)
        freed.set()

    try:
        exhausted = False
        while not faults and not (exhausted and not active):
            while not exhausted and len(active) < limiter.limit:
                job = next(jobs, None)
                if job is None:
                    exhausted = True
                    break
                task = asyncio.create_task(do(job))
                active.add(task)
                task.add_done_callback(ended)
            if active:
                freed.clear()
                await freed.wait()
        if faults:
            raise faults[0]
    finally:
        for task in active:
            task.cancel()
        await asyncio.gather(*active, return_exceptions=True)
