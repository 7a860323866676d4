"""Serving: from an open sandbox to a clean end."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import click
import msgspec
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from skillforge import SandboxPool
from skillforge.text import one_line
from skillforge_http_sandbox.server import application
from skillforge_http_sandbox.service import Service

_SHUTDOWN_SECONDS = 2.0
_BACKLOG = 1024
_CONNECTION_IDLE_SECONDS = 75.0
"""Clients close theirs long before, so that no request meets a connection that is being closed."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SESSION_ID = re.compile(r"(/sessions/.{6})[^/]*")

_requests = logging.getLogger("skillforge.sandbox.serve.requests")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a service offers: see `Service`."""

    max_sessions: int
    queue: int
    idle: float
    """Seconds."""


async def serve_until_stopped(
    opening: AbstractAsyncContextManager[SandboxPool],
    listener: socket.socket,
    token: str | None,
    limits: Limits,
    name: str,
) -> None:
    """Open the sandbox and serve its sessions until SIGTERM or SIGINT; a second one of these ends it at once.

    Prints a line with the address when it is ready.
    """
    task = asyncio.current_task()
    assert task
    _at_stop_signal(task.cancel)
    try:
        async with opening as pool:
            service = Service(pool, max_sessions=limits.max_sessions, queue=limits.queue, idle=limits.idle)
            await _serve(service, listener, token, name)
    except asyncio.CancelledError:
        task.uncancel()


def log_requests() -> None:
    """Write a line on stderr for each request."""
    _requests.addHandler(logging.StreamHandler())
    _requests.setLevel(logging.INFO)
    _requests.propagate = False


async def _serve(service: Service, listener: socket.socket, token: str | None, name: str) -> None:
    """Serve until cancelled; then end all sessions."""
    runner = web.AppRunner(
        application(service, token),
        handler_cancellation=True,
        keepalive_timeout=_CONNECTION_IDLE_SECONDS,
        auto_decompress=False,
        access_log=_requests if _requests.handlers else None,
        access_log_class=_RequestLine,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=_BACKLOG)
    await site.start()
    try:
        click.echo(f"Serving the sandbox '{name}' at {_url(listener)}")
        await asyncio.Event().wait()
    finally:
        await site.stop()
        await service.close()
        await runner.cleanup()


def _at_stop_signal(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()

    def stop_once() -> None:
        for each in _STOP_SIGNALS:
            loop.remove_signal_handler(each)
        stop()

    for each in _STOP_SIGNALS:
        loop.add_signal_handler(each, stop_once)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _RequestLine(AbstractAccessLogger):
    """Who asked what, without the headers; ids of sessions are cut, since they let in."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = _SESSION_ID.sub(r"\1…", request.path)
        line = f"{request.remote} {request.method} {path} {response.status} {time * 1000:.1f} ms"
        self.logger.info(one_line(line, 200))
