"""The HTTP side of the service: who is let in, what is asked, what is answered."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from skillforge import SkillForgeError
from skillforge.text import one_line
from skillforge_http_sandbox import wire
from skillforge_http_sandbox.cells import Cell
from skillforge_http_sandbox.faults import Refused
from skillforge_http_sandbox.hosted import HostedSession
from skillforge_http_sandbox.service import Service
from skillforge_http_sandbox.wire import NewCell, NewSession, SessionRequest, encode, encode_finished, new_session_id

_RETRY_AFTER = "1"
"""Seconds that a client is asked to wait where the queue is full."""

Asked = TypeVar("Asked")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(service: Service, token: str | None) -> web.Application:
    """The HTTP API of `service`; only who sends `token`, where there is one, may use it."""
    api = _Api(service, token)
    app = web.Application(client_max_size=wire.LARGEST_REQUEST)
    one = wire.SESSIONS + "/{session}"
    app.add_routes(
        [
            web.post(one + wire.CELLS, api.guarded(api.run_cell)),
            web.post(wire.SESSIONS, api.guarded(api.open_session)),
            web.delete(one, api.guarded(api.end_session)),
            web.post(one + wire.FORK, api.guarded(api.fork_session)),
            web.delete(one + wire.CELLS + "/{cell}", api.guarded(api.cancel_cell)),
            web.get(wire.LOAD, api.guarded(api.load)),
            web.get(wire.HEALTH, api.health),
        ]
    )
    return app


class _Api:
    """The requests, one method each."""

    def __init__(self, service: Service, token: str | None) -> None:
        self._service = service
        self._authorization = f"Bearer {token}".encode() if token else None
        self._decode_session = msgspec.json.Decoder(SessionRequest).decode
        self._decode_cell = msgspec.json.Decoder(NewCell).decode

    def guarded(self, handler: Handler) -> Handler:
        """`handler` for those who are let in; what it refuses becomes an answer."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                self._let_in(request)
                return await handler(request)
            except Refused as refused:
                return _refusal(refused)
            except web.HTTPRequestEntityTooLarge:
                return _refusal(Refused("too-large", f"a request may have {wire.LARGEST_REQUEST} bytes"))
            except SkillForgeError as error:
                return _refusal(Refused("unusable", str(error)))

        return handle

    def _let_in(self, request: web.Request) -> None:
        if "Origin" in request.headers:
            raise Refused("browser", "pages in a browser are not served")
        if self._authorization is None:
            return
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            raise Refused("bad-token", "the token is missing or wrong: send 'Authorization: Bearer TOKEN'")

    async def open_session(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/sessions"""
        body = await request.read()
        asked = _decoded(self._decode_session, body) if body else SessionRequest()
        hosted = await self._service.open_session(asked.id or new_session_id())
        return await self._handed_over(request, hosted)

    async def fork_session(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/sessions/{session}/fork"""
        return await self._handed_over(request, await self._service.fork(_id(request, "session")))

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        """DELETE /v1/sessions/{session}"""
        await self._service.end(_id(request, "session"))
        return web.Response(status=204)

    async def run_cell(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/sessions/{session}/cells"""
        hosted = self._service.find(_id(request, "session"))
        asked = _decoded(self._decode_cell, await request.read())
        if len(asked.code) > wire.LONGEST_CODE or len(asked.code.encode()) > wire.LONGEST_CODE:
            raise Refused("too-large", f"the code of a cell may have {wire.LONGEST_CODE} bytes")
        streamed = wire.JSON_LINES in request.headers.get("Accept", "")
        cell = hosted.start(asked, streamed=streamed)
        if streamed:
            return await _stream(request, hosted, cell)
        return _json(encode_finished(await hosted.result(cell), as_event=False))

    async def cancel_cell(self, request: web.Request) -> web.StreamResponse:
        """DELETE /v1/sessions/{session}/cells/{cell}"""
        await self._service.find(_id(request, "session")).cancel(_id(request, "cell"))
        return web.Response(status=204)

    async def load(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/load"""
        return _json(encode(self._service.load()))

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/health"""
        return _json(b'{"status":"ok"}')

    async def _handed_over(self, request: web.Request, hosted: HostedSession) -> web.StreamResponse:
        """Answer with a session that was opened; end it where the client is gone."""
        response = _json(encode(NewSession(hosted.id, self._service.load().ready)), status=201)
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            hosted.end()
        except asyncio.CancelledError:
            hosted.end()
            raise
        return response


async def _stream(request: web.Request, hosted: HostedSession, cell: Cell) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": wire.JSON_LINES, "Cache-Control": "no-store"})
    with contextlib.suppress(ConnectionError):  # the client is gone; the cell runs on, since it may come back
        with cell.output() as output:
            await response.prepare(request)
            async for lines in output.lines():
                await response.write(lines)
        try:
            last = encode_finished(await hosted.result(cell), as_event=True)
        except Refused as refused:
            last = encode(refused.fault)
        await response.write(last + b"\n")
        await response.write_eof()
    return response


def _id(request: web.Request, name: str) -> str:
    found = request.match_info[name]
    if len(found) > wire.LONGEST_ID:
        raise Refused("unknown-session", f"this is the id of no {name}")
    return found


def _decoded(decode: Callable[[bytes], Asked], body: bytes) -> Asked:
    try:
        return decode(body)
    except (ValueError, RecursionError) as error:
        raise Refused("bad-request", f"not what is asked for here: {one_line(str(error))}") from None


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type=wire.JSON)


def _refusal(refused: Refused) -> web.Response:
    response = _json(encode(refused.fault), refused.status)
    if refused.fault.error == "queue-full":
        response.headers["Retry-After"] = _RETRY_AFTER
    elif refused.fault.error == "bad-token":
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
