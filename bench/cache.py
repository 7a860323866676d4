"""The completion cache: what it adds to a request, on the event loop and in CPU time of the whole process.

python bench/cache.py [--entries 100000] [--requests 20000]

The cache is filled first. Then requests that miss and are kept, and requests that hit, run 64 at a time against a client that
answers at once; the same without a cache is taken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

from common import parse_arguments

from skillforge import Client, Completion, Message, ModelRef, PartOptions, Request, Sampling, Target
from skillforge.cache.client import caching
from skillforge.cache.origin import origin_of
from skillforge.cache.store import Store

IN_FLIGHT = 64
AT_ONCE = 5000
"""New completions between two closings: fewer than may wait for the disk, however slow it is."""

QUESTION = "A shop keeps 37 pears on each of its shelves, and has 9 of them. How many are left on Friday? " * 6
ANSWER = "Each shelf holds 37 pears, so that all of them together hold 9 * 37 pears. " * 7 + "\n#### 333"
GREEDY = Sampling(temperature=0.0, max_tokens=1024)


class Instant(Client):
    """Answers at once."""

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        return Completion(text=ANSWER, finish_reason="stop", prompt_tokens=150, completion_tokens=160)


class Cost(NamedTuple):
    """Microseconds a request."""

    loop: float
    cpu: float


def requests(numbers: Iterable[int]) -> Iterable[Request]:
    return (Request((Message("user", f"{QUESTION} ({number})"),), GREEDY) for number in numbers)


async def ask(client: Client, numbers: range) -> float:
    """Send the requests with these `numbers`. Returns the CPU seconds of the event loop's thread."""
    todo = iter(list(requests(numbers)))

    async def work() -> None:
        for request in todo:
            await client.complete(request)
            await asyncio.sleep(0)

    started = time.thread_time()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return time.thread_time() - started


@contextlib.asynccontextmanager
async def cache(folder: Path) -> AsyncIterator[Client]:
    """A client with a cache in `folder`."""
    targets = [Target(ModelRef("mock", "mock"), "http://localhost/v1")]
    with contextlib.closing(Store(folder)) as store:
        async with caching(
            Instant(), store, lambda: origin_of(targets, "bench:mock", "1", PartOptions()), lambda text: None
        ) as client:
            yield client


async def cost(client: AbstractAsyncContextManager[Client], numbers: range) -> Cost:
    """What the requests with these `numbers` take, all of it written in the end."""
    cpu = time.process_time()
    async with client as opened:
        loop = await ask(opened, numbers)
    return Cost(loop / len(numbers) * 1e6, (time.process_time() - cpu) / len(numbers) * 1e6)


async def measure(folder: Path, entries: int, count: int) -> dict[str, Cost]:
    """Fill a cache, and take what it adds to a request that misses, and to one that hits."""
    for start in range(0, entries, AT_ONCE):
        await cost(cache(folder), range(start, min(entries, start + AT_ONCE)))
    bare = await cost(contextlib.nullcontext(Instant()), range(count))
    found = {
        "a miss that is kept": await cost(cache(folder), range(entries, entries + AT_ONCE)),
        "a hit": await cost(cache(folder), range(0, entries, max(1, entries // count))),
    }
    return {name: Cost(each.loop - bare.loop, each.cpu - bare.cpu) for name, each in found.items()}


def main() -> None:
    given = parse_arguments(__doc__, entries=100_000, requests=20_000)
    with tempfile.TemporaryDirectory() as folder:
        costs = asyncio.run(measure(Path(folder), given.entries, given.requests))
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    print(f"{given.entries:,} completions, {size:,.0f} MB")
    for name, each in costs.items():
        print(f"{name:20} {each.loop:6.1f} µs on the event loop, {each.cpu:6.1f} µs of CPU in all")


if __name__ == "__main__":
    main()
