"""A proxy that misbehaves, between a client and a real server.

    with faulty_proxy("http://127.0.0.1:8000", lambda number, before: "cut" if number % 5 == 0 else None) as proxy:
        ...  # ask proxy.url in place of the server

Requests for completions meet their fate; all else is passed on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web
from app_server import app_server

Fate = Callable[[int, int], str | int | None]
"""(requests before this one, how often the same was asked before) -> the fault; None: the server's answer.

A number is the status of a refusal. "drop": the connection ends without an answer; "cut": it ends in the middle of one;
"garbled": an answer ends in its middle, and says that it is whole; "hang": there is none until the client leaves.
"""

_COMPLETIONS = ("/completions", "/infer", "/generate_stream")
_PASSED_ON = ("Authorization", "Content-Type", "Accept")


class FaultyProxy:
    """What it was asked; see `faulty_proxy`."""

    def __init__(self, server: str, fate: Fate) -> None:
        self.fate = fate
        self.url = ""
        self.asked: Counter[bytes] = Counter()
        """How often each body was sent."""

        self.faults: Counter[str | int] = Counter()
        """How often each fault was met."""

        self._server = server.rstrip("/")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass on what the server says, or not."""
        body = await request.read()
        fault = None
        if request.path.endswith(_COMPLETIONS):
            fault = self.fate(self.asked.total(), self.asked[body])
            self.asked[body] += 1
        if fault is not None:
            self.faults[fault] += 1
        if fault == "hang":
            await asyncio.sleep(600)
        if isinstance(fault, int):
            return _refusal(request, body, fault)
        if fault == "drop":
            return _hang_up(request)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        address = self._server + request.path_qs
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, address, data=body, headers=headers) as given,
        ):
            content = await given.read()
            response = web.StreamResponse(status=given.status, headers={"Content-Type": given.content_type})
        if fault is not None:
            content = content[: len(content) // 2]
        response.content_length = None if fault == "cut" else len(content)
        await response.prepare(request)
        await response.write(content)
        if fault == "cut":
            return _hang_up(request)
        return response


def _refusal(request: web.Request, body: bytes, status: int) -> web.StreamResponse:
    """Says more than it should, as some servers do: the key, the request, a path of its own."""
    key, asked = request.headers.get("Authorization"), body.decode(errors="replace")
    said = f"File /srv/models/server.py: {status} for {key}: {asked}"
    headers = {"Retry-After": "0.2"} if status == 429 else {}
    return web.json_response({"error": {"message": said}}, status=status, headers=headers)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextmanager
def faulty_proxy(server: str, fate: Fate = lambda number, before: None) -> Iterator[FaultyProxy]:
    """A proxy of `server` (its root, without `/v1`) on a free port, in a thread of its own."""
    proxy = FaultyProxy(server, fate)
    with app_server(web.route("*", "/{path:.*}", proxy.answer)) as proxy.url:
        yield proxy
