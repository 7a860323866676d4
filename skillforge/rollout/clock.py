"""Clock: a moment at which work under way ends with what it has, and which may still be moved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Clock:
    """A moment (in the event loop's time, seconds) at which all that runs under `watching` ends; None: never."""

    def __init__(self, when: float | None = None) -> None:
        self._when = when
        self._running: set[asyncio.Timeout] = set()

    def move(self, when: float | None) -> None:
        """Let all end at `when`, also what runs now."""
        self._when = when
        for timeout in self._running:
            if not timeout.expired():  # what ends already cannot be moved
                timeout.reschedule(when)

    @contextlib.asynccontextmanager
    async def watching(self, seconds: float | None) -> AsyncIterator[None]:
        """Ends what is inside at the clock's moment, or after `seconds`, whichever comes first. Raises TimeUp then."""
        own = contextlib.nullcontext() if seconds is None else asyncio.timeout(seconds)
        limits: list[asyncio.Timeout] = []
        try:
            async with own as mine, asyncio.timeout_at(self._when) as shared:
                limits = [shared] if mine is None else [mine, shared]
                self._running.add(shared)
                try:
                    yield
                finally:
                    self._running.discard(shared)
        except TimeoutError:
            if any(limit.expired() for limit in limits):
                raise TimeUp from None
            raise


class TimeUp(Exception):
    """The time for a sample is over."""
