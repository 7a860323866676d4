"""The pool: bounded, refilled at once, drawn lazily, and stopped by the first fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge.rollout.limiter import Limiter
from skillforge.rollout.pool import run_pool


class Bench:
    """Jobs are numbers; each waits until it is let go, and all that happens is counted."""

    def __init__(self, jobs: int) -> None:
        self.drawn = self.in_flight = self.most_in_flight = 0
        self.results: list[int] = []
        self.cancelled: list[int] = []
        self.gates = [asyncio.Event() for _ in range(jobs)]

    def jobs(self) -> Iterator[int]:
        for number in range(len(self.gates)):
            self.drawn += 1
            yield number

    async def work(self, job: int) -> int:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gates[job].wait()
        except asyncio.CancelledError:
            self.cancelled.append(job)
            raise
        finally:
            self.in_flight -= 1
        return job


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_it_is_bounded_refilled_at_once_and_draws_only_what_can_start() -> None:
    async def main() -> None:
        bench = Bench(6)
        pool = asyncio.create_task(run_pool(bench.jobs(), bench.work, bench.results.append, Limiter(2)))
        await settle()
        assert (bench.drawn, bench.in_flight) == (2, 2)
        bench.gates[1].set()  # the first is slow: it delays only itself
        await settle()
        assert (bench.results, bench.drawn, bench.in_flight) == ([1], 3, 2)
        for gate in bench.gates[2:]:
            gate.set()
        await settle()
        await settle()
        assert bench.results == [1, 2, 3, 4, 5] and bench.in_flight == 1
        bench.gates[0].set()
        await pool
        assert bench.results[-1] == 0 and bench.most_in_flight == 2

    asyncio.run(main())


def test_a_changed_limit_is_followed() -> None:
    async def main() -> None:
        bench, limiter = Bench(10), Limiter(2)
        pool = asyncio.create_task(run_pool(bench.jobs(), bench.work, bench.results.append, limiter))
        await settle()
        limiter.limit = 5
        bench.gates[0].set()
        await settle()
        assert bench.in_flight == 5
        limiter.limit = 1
        for gate in bench.gates[1:4]:
            gate.set()
        await settle()
        assert (bench.in_flight, bench.drawn) == (2, 6)
        for gate in bench.gates:
            gate.set()
        await pool
        assert sorted(bench.results) == list(range(10))

    asyncio.run(main())


@given(st.integers(0, 12), st.integers(1, 5), st.randoms(use_true_random=False))
def test_every_job_is_done_once_in_whatever_order_they_end(jobs: int, limit: int, random: object) -> None:
    async def main() -> None:
        bench = Bench(jobs)
        order = list(range(jobs))
        random.shuffle(order)  # type: ignore[attr-defined]
        pool = asyncio.create_task(run_pool(bench.jobs(), bench.work, bench.results.append, Limiter(limit)))
        for number in order:
            bench.gates[number].set()
            await asyncio.sleep(0)
        await pool
        assert sorted(bench.results) == list(range(jobs))
        assert bench.most_in_flight <= limit

    asyncio.run(main())


async def _fails(job: int) -> int:
    if job == 2:
        raise KeyError("job 2")
    await asyncio.Event().wait()
    return job


async def _is_cancelled_by_itself(job: int) -> int:
    raise asyncio.CancelledError


def _refuses(result: int) -> None:
    raise KeyError("finished")


def _breaks() -> Iterator[int]:
    yield 0
    raise KeyError("jobs")


async def _ends(job: int) -> int:
    await asyncio.sleep(0)
    return job


@pytest.mark.parametrize(
    ("jobs", "work", "finished", "kind"),
    [
        (lambda: iter(range(100)), _fails, lambda result: None, KeyError),
        (lambda: iter(range(100)), _ends, _refuses, KeyError),
        (_breaks, _ends, lambda result: None, KeyError),
        (lambda: iter(range(3)), _is_cancelled_by_itself, lambda result: None, RuntimeError),
    ],
    ids=["a job", "finished", "the jobs", "a job that calls itself cancelled"],
)
def test_the_first_fault_ends_all(
    jobs: Callable[[], Iterator[int]],
    work: Callable[[int], Awaitable[int]],
    finished: Callable[[int], None],
    kind: type[Exception],
) -> None:
    async def main() -> None:
        with pytest.raises(kind):
            await run_pool(jobs(), work, finished, Limiter(4))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_cancelling_the_pool_cancels_its_jobs() -> None:
    async def main() -> None:
        bench = Bench(5)
        pool = asyncio.create_task(run_pool(bench.jobs(), bench.work, bench.results.append, Limiter(3)))
        await settle()
        pool.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pool
        assert sorted(bench.cancelled) == [0, 1, 2] and bench.drawn == 3
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
