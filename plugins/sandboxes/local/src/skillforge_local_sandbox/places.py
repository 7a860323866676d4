"""Places: how many sessions there may be at a time, and who waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """So many places; who comes when all are taken waits, first come first served."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)
        self.in_use = 0
        self.waiting = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """One place is taken until the context is left."""
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self._free.release()
