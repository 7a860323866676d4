"""An aiohttp application on a free port, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


@contextmanager
def app_server(*routes: web.RouteDef) -> Iterator[str]:
    """The address of a server with these routes, without a path. Requests that are given up end in it too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="app-server")
    thread.start()
    runner: web.AppRunner | None = None
    try:
        runner = asyncio.run_coroutine_threadsafe(_start(routes), loop).result(30)
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        if runner is not None:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _start(routes: tuple[web.RouteDef, ...]) -> web.AppRunner:
    app = web.Application(client_max_size=2**30)
    app.add_routes(routes)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    return runner
