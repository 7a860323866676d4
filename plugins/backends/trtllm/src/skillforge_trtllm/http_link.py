"""The link through HTTP: KServe's protocol with JSON, and Triton's generate extension for streams."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from skillforge_openai.bodies import MOST_OF_COMPLETION, read_answer_body, read_beginning
from skillforge_openai.sse import Events
from skillforge_trtllm.address import Address
from skillforge_trtllm.interface import Tensor
from skillforge_trtllm.links import Link, LinkError, Outputs

_CONNECT_SECONDS = 30.0
_CODES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


_Form = TypeVar("_Form")


class _Named(msgspec.Struct):
    name: str


class _Output(msgspec.Struct):
    name: str
    data: list[Any]


class _Inferred(msgspec.Struct):
    outputs: list[_Output] = []


@contextlib.asynccontextmanager
async def open_http(address: Address, timeout: float) -> AsyncIterator[Link]:
    """A link to `address`, closed on leaving."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "skillforge-trtllm", "Content-Type": "application/json"},
        read_bufsize=2**20,
    )
    async with session:
        yield HttpLink(session, address.url, timeout)


class HttpLink(Link):
    """One session, whose connections are as many as requests are in flight."""

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout: float) -> None:
        self._session = session
        self._timeout = timeout
        self._url = url

    async def ready(self, model: str, timeout: float) -> bool:
        async with self._call("GET", f"/v2/models/{_part(model)}/ready", timeout=timeout) as response:
            return response.status == 200

    async def models(self, timeout: float) -> list[str]:
        index = await self._json("POST", "/v2/repository/index", list[_Named], {"ready": True}, timeout)
        return [each.name for each in index]

    async def describe(self, model: str, timeout: float) -> tuple[dict[str, Any], dict[str, Any]]:
        path = f"/v2/models/{_part(model)}"
        metadata = await self._json("GET", path, dict[str, Any], timeout=timeout)
        return metadata, await self._json("GET", f"{path}/config", dict[str, Any], timeout=timeout)

    async def ask(self, model: str, tensors: Sequence[Tensor], outputs: Sequence[str]) -> Outputs:
        body = {"inputs": tensors, "outputs": [{"name": name} for name in outputs]}
        answer = await self._json("POST", f"/v2/models/{_part(model)}/infer", _Inferred, body)
        return {each.name: each.data for each in answer.outputs}

    async def stream(
        self, model: str, tensors: Sequence[Tensor], outputs: Sequence[str]
    ) -> AsyncGenerator[Outputs, None]:
        body = {each.name: each.data if len(each.data) > 1 else each.data[0] for each in tensors}
        async with self._call("POST", f"/v2/models/{_part(model)}/generate_stream", body) as response:
            if response.status != 200:
                raise _error(response.status, await read_beginning(response))
            async for event in _events(response):
                answer = _decoded(event, dict[str, Any])
                if "error" in answer:
                    raise LinkError("UNKNOWN", str(answer["error"]))
                yield {name: _row(answer[name]) for name in outputs if name in answer}

    async def _json(
        self, method: str, path: str, form: type[_Form], body: Any = None, timeout: float | None = None
    ) -> _Form:
        async with self._call(method, path, body, timeout) as response:
            content = await read_answer_body(response, MOST_OF_COMPLETION)
        if response.status != 200:
            raise _error(response.status, content)
        return _decoded(content, form)

    @contextlib.asynccontextmanager
    async def _call(
        self, method: str, path: str, body: Any = None, timeout: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request, whose content is still to be read. What aiohttp raises becomes LinkError."""
        limit = aiohttp.ClientTimeout(total=timeout or self._timeout, sock_connect=_CONNECT_SECONDS)
        data = None if body is None else msgspec.json.encode(body)
        url = URL(self._url + path, encoded=True)
        try:
            async with self._session.request(method, url, data=data, allow_redirects=False, timeout=limit) as response:
                yield response
        except TimeoutError as error:
            raise LinkError("DEADLINE_EXCEEDED", "no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LinkError("UNAVAILABLE", str(error) or type(error).__name__) from error


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The data of each event in the body of `response`. Raises RequestFailed for one without end."""
    events = Events()
    async for piece in response.content.iter_any():
        for event in events.feed(piece):
            yield event
    for event in events.end():
        yield event


def _part(model: str) -> str:
    return quote(model, safe="")


def _row(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _decoded(content: bytes, form: type[_Form]) -> _Form:
    try:
        return msgspec.json.decode(content, type=form)
    except (ValueError, RecursionError) as error:
        raise LinkError("UNKNOWN", f"the answer is malformed JSON ({error})") from error


def _error(status: int, content: bytes) -> LinkError:
    # A stream whose first response is an error has the status 400, whatever the error is.
    code = "UNKNOWN" if content.startswith(b"data:") else _CODES.get(status, "INTERNAL")
    try:
        message = str(msgspec.json.decode(content.removeprefix(b"data:"))["error"])
    except (ValueError, RecursionError, TypeError, KeyError):
        message = content[:2000].decode("utf-8", "replace")
    return LinkError(code, message)
