"""Rows reach the disk on time while an event loop runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from skillforge.runs.rows import FLUSH_SECONDS, RowLog


@contextlib.asynccontextmanager
async def flushing(*logs: RowLog) -> AsyncIterator[None]:
    """Write out what `logs` buffer every second, however slowly rows come. A fault ends the work at once."""

    async def flush() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for log in logs:
                log.flush()

    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(flush())
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
