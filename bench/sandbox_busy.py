"""What is left for SkillForge itself while sessions of the sandbox `local` compute as hard as they can.

    python bench/sandbox_busy.py [--sessions 128] [--seconds 8]

Told are the share of a core that a busy thread of this process gets, and how late its event loop wakes up.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median

from common import parse_arguments

from skillforge.parts.sandbox import SandboxPool
from skillforge_local_sandbox import LocalOptions, LocalSandbox

WAKE = 0.01
"""Seconds between two looks at the clock."""


def main() -> None:
    given = parse_arguments(__doc__, sessions=128, seconds=8)
    asyncio.run(_measure(given.sessions, given.seconds))


async def _measure(sessions: int, seconds: int) -> None:
    begun = asyncio.Semaphore(0)
    async with LocalSandbox().open(LocalOptions(sessions=sessions)) as pool:
        busy = [asyncio.create_task(_compute(pool, begun, seconds)) for _ in range(sessions)]
        for _ in range(sessions):
            await begun.acquire()
        lags = await _lags(seconds / 4)
        share = _share(seconds / 4)
        statuses = set(await asyncio.gather(*busy))
    print(f"{sessions} sessions in endless loops, which ended as {', '.join(statuses)}")
    print(f"  this process gets {share:.2f} of a core")
    print(
        f"  its loop wakes up {1000 * median(lags):.1f} ms late, {1000 * sorted(lags)[int(0.99 * len(lags))]:.1f} ms at p99"
    )


async def _compute(pool: SandboxPool, begun: asyncio.Semaphore, seconds: int) -> str:
    async with pool.session() as session:
        begun.release()
        return (await session.run("while True: pass", seconds)).status


async def _lags(seconds: float) -> list[float]:
    lags = []
    end = time.perf_counter() + seconds
    while (asleep := time.perf_counter()) < end:
        await asyncio.sleep(WAKE)
        lags.append(time.perf_counter() - asleep - WAKE)
    return lags


def _share(seconds: float) -> float:
    started, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        pass
    return (time.process_time() - used) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
