"""Stopping by a signal: what runs is cancelled in good order, and the caller hears of it as an error of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from skillforge.errors import Interrupted

Result = TypeVar("Result")


def run_interruptibly(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """The result of the coroutine that `work` makes; Ctrl-C, SIGTERM or SIGHUP cancels it and raises Interrupted.

    Further signals change nothing: what was asked for is under way, and ends in a second or two.
    """
    received: list[signal.Signals] = []

    async def main() -> Result:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work())

        def stop(number: signal.Signals) -> None:
            if not received:
                received.append(number)
                task.cancel()

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with contextlib.suppress(ValueError, RuntimeError):  # outside the main thread there are no handlers
            for each in signals:
                loop.add_signal_handler(each, stop, each)
        try:
            return await task
        except asyncio.CancelledError:
            if received:
                raise Interrupted(f"stopped by {received[0].name}") from None
            raise

    return asyncio.run(main())
