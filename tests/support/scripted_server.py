"""A scripted server of the OpenAI protocol: it answers what a test wrote down, and tells what it was asked.

    with scripted_server([Reply("a", stop_reason="```"), Reply("b")]) as server:
        ...  # ask server.base_url
    assert server.requests[1]["prompt"] == "..."

It does nothing of its own: no stop strings, no limits, no counting. What a reply says is what is sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import EllipsisType
from typing import Any, NamedTuple

from aiohttp import web
from app_server import app_server

from skillforge import ToolCall


class Reply(NamedTuple):
    """One answer."""

    text: str | None = ""
    finish_reason: str | None = "stop"
    stop_reason: str | int | EllipsisType | None = ...
    """As vLLM sends it; `...` sends no such field, as most servers do."""

    tool_calls: Sequence[ToolCall | dict[str, Any]] = ()
    """A dict goes as it is."""

    reasoning: str | None = None
    """`reasoning_content` of a chat answer."""

    delay: float = 0.0
    """Seconds until the answer is sent."""

    status: int = 200
    """Other than 200: an error, whose message is `text`."""

    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the completion."""

    drop: bool = False
    """Close the connection without an answer."""

    headers: Mapping[str, str] = {}


Script = Callable[[dict[str, Any], int], Reply | dict[str, Any]]
"""(body of the request, its index in `requests`) -> the reply; a dict is sent as it is. Runs in the server's thread."""


class ScriptedServer:
    """What the server was asked; see `scripted_server`."""

    def __init__(self, script: Script | Sequence[Reply | dict[str, Any]]) -> None:
        self._script = script if callable(script) else _in_order(list(script))
        self.base_url = ""
        self.requests: list[dict[str, Any]] = []
        """Bodies of the requests for completions, in the order in which they came."""

        self.paths: list[str] = []
        """Where they went: `/v1/completions` or `/v1/chat/completions`."""

        self.in_flight = 0
        self.peak = 0
        """Most requests that were in flight together."""

        self.cancelled = 0
        """Requests whose client went away before the answer."""

        self.failure: Exception | None = None
        """What the script raised first, an assertion of the test for example."""

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = len(self.requests)
        self.requests.append(body)
        self.paths.append(request.path)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            reply = self._script(body, number)
            if isinstance(reply, dict):
                return web.json_response(reply)
            if reply.delay:
                await asyncio.sleep(reply.delay)
            return _response(request, reply, chat=request.path.endswith("/chat/completions"))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except Exception as error:
            self.failure = self.failure or error
            return _error(400, f"the script failed: {error}")
        finally:
            self.in_flight -= 1

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [{"id": "*", "object": "model"}]})


@contextmanager
def scripted_server(script: Script | Sequence[Reply | dict[str, Any]]) -> Iterator[ScriptedServer]:
    """A server on a free port, in a thread of its own. A list of replies is used in order, and must be long enough.

    Raises on leaving what the script raised, so that a script may hold assertions.
    """
    server = ScriptedServer(script)
    asked = (web.post(path, server.complete) for path in ("/v1/completions", "/v1/chat/completions"))
    with app_server(*asked, web.get("/v1/models", server.list_models)) as root:
        server.base_url = f"{root}/v1"
        yield server
    if server.failure is not None:
        raise server.failure


def _in_order(replies: list[Reply | dict[str, Any]]) -> Script:
    def script(body: dict[str, Any], number: int) -> Reply | dict[str, Any]:
        if number >= len(replies):
            raise AssertionError(
                f"there are {len(replies)} replies, and this is request {number + 1}: {json.dumps(body)}"
            )
        return replies[number]

    return script


def _response(request: web.Request, reply: Reply, chat: bool) -> web.StreamResponse:
    if reply.drop:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if reply.status != 200:
        return _error(reply.status, reply.text or "", reply.headers)
    choice: dict[str, Any] = {"index": 0, "finish_reason": reply.finish_reason}
    if reply.stop_reason is not ...:
        choice["stop_reason"] = reply.stop_reason
    if chat:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.reasoning is not None:
            message["reasoning_content"] = reply.reasoning
        if reply.tool_calls:
            message["tool_calls"] = [_call(call) for call in reply.tool_calls]
        choice["message"] = message
    else:
        choice["text"] = reply.text
    body: dict[str, Any] = {"id": "scripted", "created": 0, "model": "scripted", "choices": [choice]}
    if reply.usage is not None:
        prompt, completion = reply.usage
        body["usage"] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return web.json_response(body, headers=reply.headers)


def _call(call: ToolCall | dict[str, Any]) -> dict[str, Any]:
    if isinstance(call, dict):
        return call
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "scripted", "code": None}}
    return web.json_response(body, status=status, headers=headers)
