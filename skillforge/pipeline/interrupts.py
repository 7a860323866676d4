"""Stopping by a signal: what runs is cancelled in good order, and the caller hears of it as an error of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

from skillforge.errors import Interrupted


def run_interruptibly(work: Callable[[], Any]) -> None:
    """Run the coroutine that `work` makes; the first Ctrl-C or SIGTERM cancels it and raises Interrupted, a second kills."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work())
        received: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            received.append(number)
            for each in signals:
                loop.remove_signal_handler(each)
            task.cancel()

        signals = (signal.SIGINT, signal.SIGTERM)
        with contextlib.suppress(ValueError, RuntimeError):  # outside the main thread there are no handlers
            for each in signals:
                loop.add_signal_handler(each, stop, each)
        try:
            await task
        except asyncio.CancelledError:
            if not received:
                raise
            raise Interrupted(f"stopped by {received[0].name}") from None

    asyncio.run(main())
