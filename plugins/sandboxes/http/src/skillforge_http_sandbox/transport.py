"""Transport: requests to the service, and answers that are bounded and checked, since the service may be anything."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from skillforge import UsageError
from skillforge.text import one_line
from skillforge_http_sandbox import wire
from skillforge_http_sandbox.sockets import client_socket
from skillforge_http_sandbox.wire import Event, Fault

_CONNECT_SECONDS = 10.0
_SHORT_SECONDS = 30.0
_CONNECTION_IDLE_SECONDS = 30.0
_LONGEST_RETRY_AFTER = 60.0

Read = TypeVar("Read")


class NoAnswer(Exception):
    """No usable answer came. `may_pass`: the connection broke, and the same request may get one."""

    def __init__(self, why: str, *, may_pass: bool) -> None:
        super().__init__(why)
        self.may_pass = may_pass


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    body: bytes
    retry_after: float | None = None
    """Seconds that the service asks to wait."""

    def read(self, decoder: msgspec.json.Decoder[Read]) -> Read:
        """The body. Raises NoAnswer where it is not what it should be."""
        return _read(self.body, decoder)


class Transport:
    """One pool of connections to one service."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self.base_url = _checked(base_url)
        self._token = token
        headers = {"Content-Type": wire.JSON, "Accept-Encoding": "identity", "User-Agent": "skillforge-http-sandbox"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_CONNECTION_IDLE_SECONDS, socket_factory=client_socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def url(self, path: str) -> URL:
        """The address of a `path` such as `/v1/load`."""
        return URL(self.base_url + path, encoded=True)

    async def send(
        self, method: str, url: URL, body: bytes | None = None, *, timeout: float | None = _SHORT_SECONDS
    ) -> Answer:
        """The answer to one request, within `timeout` seconds. Raises NoAnswer."""
        try:
            async with self._http.request(
                method, url, data=body, timeout=_limits(timeout), allow_redirects=False
            ) as response:
                return await _answer(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._no_answer(error) from None

    async def events(self, url: URL, body: bytes, *, timeout: float) -> AsyncGenerator[Event]:
        """The events of a stream as they come. Raises NoAnswer."""
        accept = {"Accept": wire.JSON_LINES}
        try:
            async with self._http.post(
                url, data=body, timeout=_limits(timeout), allow_redirects=False, headers=accept
            ) as response:
                if response.status != 200:
                    yield self.fault(await _answer(response))
                    return
                async for line in _lines(response):
                    yield _read(line, _event)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._no_answer(error) from None

    def fault(self, answer: Answer) -> Fault:
        """What an answer other than the one hoped for says, on one line without our token."""
        try:
            fault = _fault.decode(answer.body)
        except (ValueError, RecursionError):
            return Fault(error="internal", detail=f"HTTP {answer.status}")
        said = fault.detail.replace(self._token, "[token]") if self._token else fault.detail
        return Fault(error=fault.error, detail=f"{one_line(said)} (HTTP {answer.status})")

    def _no_answer(self, error: Exception) -> NoAnswer:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return NoAnswer(f"no connection within {_CONNECT_SECONDS:g} s", may_pass=True)
        if isinstance(error, TimeoutError):
            return NoAnswer("no answer in time", may_pass=False)
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return NoAnswer(f"bad certificate ({one_line(str(error.certificate_error))})", may_pass=False)
        if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
            return NoAnswer(_cause(error), may_pass=True)
        return NoAnswer(f"the answer is not HTTP ({one_line(str(error))})", may_pass=False)


_fault = msgspec.json.Decoder(Fault)
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def _read(body: bytes, decoder: msgspec.json.Decoder[Read]) -> Read:
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise NoAnswer(f"the answer is no sandbox service's ({one_line(str(error))})", may_pass=False) from None


def _checked(url: str) -> str:
    """`url` without a slash at its end. Raises UsageError for one that cannot be used."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    strange = any(char.isspace() or not char.isprintable() or char in "\\?#@" for char in url)
    if not usable or strange:
        raise UsageError(f"'{one_line(url, 80)}' is no address of a sandbox service", "write it like http://HOST:PORT")
    return url.rstrip("/")


def _limits(timeout: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS)


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    return Answer(response.status, await _body(response), _retry_after(response.headers.get("Retry-After")))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    if response.content_length is not None and response.content_length <= wire.LARGEST_ANSWER:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        _refuse_over(wire.LARGEST_ANSWER, len(body))
    return bytes(body)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a body; what follows the last line end is left out."""
    size = 0
    unfinished: list[bytes] = []
    async for chunk in response.content.iter_any():
        size += len(chunk)
        _refuse_over(2 * wire.LARGEST_ANSWER, size)
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield b"".join([*unfinished, end])
            unfinished.clear()
        unfinished.append(rest)


def _refuse_over(limit: int, size: int) -> None:
    if size > limit:
        raise NoAnswer(f"the answer is larger than {limit} bytes", may_pass=False)


def _retry_after(text: str | None) -> float | None:
    try:
        return min(max(0.0, float(text or "")), _LONGEST_RETRY_AFTER)
    except ValueError:
        return None


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the connection broke"
    return one_line(str(error) or type(error).__name__)
