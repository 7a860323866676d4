"""Contexts that are held open by tasks of their own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

Entered = TypeVar("Entered")


class Held(Generic[Entered]):
    """A context that one task enters and leaves, as contexts with tasks of their own need it.

    What was entered may then be used from any task, and nobody has to wait for the leaving, which takes a sandbox longer than
    a test.
    """

    def __init__(self, context: AbstractAsyncContextManager[Entered]) -> None:
        self._entered: asyncio.Future[Entered] = asyncio.get_running_loop().create_future()
        self._wanted = asyncio.Event()
        self._task = asyncio.create_task(self._hold(context))

    async def enter(self) -> Entered:
        """What the context gives. Raises what entering it raises; cancelled, it is not entered."""
        try:
            await asyncio.wait((self._entered, self._task), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if not self._entered.done():
            self._task.result()
        return self._entered.result()

    def leave(self) -> asyncio.Task[None]:
        """Begin to leave it. The task ends when that is done, and raises what leaving raises."""
        self._wanted.set()
        return self._task

    async def _hold(self, context: AbstractAsyncContextManager[Entered]) -> None:
        async with context as entered:
            self._entered.set_result(entered)
            await self._wanted.wait()
