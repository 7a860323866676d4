"""Ordered: work on many items at once, with the results in the order of the items."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WINDOW = 1024
"""Items that are read ahead of the first one without a result."""

TURN = 64
"""Items after which the event loop has a turn, however fast they come."""


async def in_order(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], window: int = WINDOW
) -> AsyncGenerator[tuple[Item, Result], None]:
    """Each item with what `work` makes of it, in the order of `items`, of which at most `window` are held at once.

    Close it (`contextlib.aclosing`) where it may not be read to its end.
    """
    pending: deque[tuple[Item, asyncio.Future[Result]]] = deque()
    try:
        for number, item in enumerate(items):
            if number % TURN == 0:
                await asyncio.sleep(0)
            pending.append((item, asyncio.ensure_future(work(item))))
            while len(pending) == window or (pending and pending[0][1].done()):
                first, result = pending.popleft()
                yield first, await result
        while pending:
            first, result = pending.popleft()
            yield first, await result
    finally:
        for _, result in pending:
            result.cancel()
        await asyncio.gather(*(result for _, result in pending), return_exceptions=True)
