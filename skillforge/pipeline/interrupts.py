"""Stopping by a signal: what runs is cancelled in good order, and the caller hears of it as an error of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

from skillforge.errors import Interrupted


def run_interruptibly(work: Callable[[], Any]) -> None:
    """Run the coroutine that `work` makes; Ctrl-C, SIGTERM or SIGHUP cancels it and raises Interrupted.

    Further signals change nothing: what was asked for is under way, and ends in a second or two.
    """
    received: list[signal.Signals] = []

    async def main() -> None:
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
            await task
        except asyncio.CancelledError:
            if not received:
                raise

    asyncio.run(main())
    if received:
        raise Interrupted(f"stopped by {received[0].name}")
