"""Rows reach the disk on time while an event loop runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from skillforge.runs.rows import FLUSH_SECONDS, RowLog


@contextlib.asynccontextmanager
async def flushing(*logs: RowLog) -> AsyncIterator[None]:
    """Write out what `logs` buffer every second, however slowly rows come."""

    async def flush() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for log in logs:
                log.flush()

    task = asyncio.create_task(flush())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
