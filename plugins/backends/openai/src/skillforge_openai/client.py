"""Client: the traffic, on one aiohttp session."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase

import aiohttp
import msgspec
from yarl import URL

from skillforge import BackendUnusable, Client, Completion, Request, RequestFailed, SkillForgeError
from skillforge.text import closest, one_line
from skillforge_openai.address import Address
from skillforge_openai.faults import Answer, fault, no_entry, server_message
from skillforge_openai.wire import CHAT, TEXT, Wire, endpoint

_CONNECT_SECONDS = 30.0
_CHECK_SECONDS = 30.0

# Uvicorn, which most model servers run on, closes a connection that was idle for five seconds; a request that is sent at that
# moment is lost. So ours are closed before.
_IDLE_SECONDS = 4.0

_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS})


@contextlib.asynccontextmanager
async def open_client(address: Address, wire: Wire, timeout: float) -> AsyncIterator[Client]:
    """A client of the server at `address`; its connections are closed on leaving."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "skillforge-openai",
    }
    if address.authorization:
        headers["Authorization"] = address.authorization
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS),
    )
    async with session:
        yield OpenAIClient(session, address, wire, timeout)


class OpenAIClient(Client):
    """A server, asked for one model."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, wire: Wire, timeout: float) -> None:
        self._session = session
        self._address = address
        self._wire = wire
        self._timeout = timeout
        self._urls = {path: URL(address.url + path) for path in (CHAT, TEXT)}

    async def check(self) -> None:
        """Ask for the list of models. What a server does not tell is passed over."""
        short = aiohttp.ClientTimeout(total=min(self._timeout, _CHECK_SECONDS), sock_connect=_CONNECT_SECONDS)
        url = URL(self._address.url + "/models")
        try:
            async with self._session.get(url, timeout=short, allow_redirects=False) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise self._unreachable(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError):
            return
        if status in (401, 403):
            self._refuse_entry(status, body)
        elif status == 200:
            self._refuse_unknown_model(_model_names(body))

    async def complete(self, request: Request) -> Completion:
        """One POST."""
        body = self._wire.body(request)
        url = self._urls[endpoint(request)]
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._broken(error) from error
        if response.status == 200 and not (failed := _status_inside(content)):
            return self._wire.completion(content, request)
        status = failed if response.status == 200 else response.status
        raise fault(Answer(str(url), status, response.headers, content), self._address, self._wire.model)

    def _broken(self, error: Exception) -> SkillForgeError:
        """What a request without a whole answer means."""
        url = self._address.url
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL):
            return self._unreachable(error)
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
            return RequestFailed(f"no answer from {url} within {self._timeout:g} s", connection=True)
        if isinstance(error, OSError) and error.errno in _TOO_MANY_OPEN:
            what = f"this machine has no connection left ({error.strerror}; see 'ulimit -n')"
            return RequestFailed(what, throttled=True)
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return RequestFailed(f"cannot reach {url}: {self._cause(error)}", connection=True)
        if isinstance(error, aiohttp.ClientConnectionError | OSError):
            return RequestFailed(f"{url} closed the connection without an answer", connection=True)
        if isinstance(error, aiohttp.ClientPayloadError):
            return RequestFailed(f"{url} closed the connection in the middle of an answer")
        return RequestFailed(f"the answer of {url} is not HTTP ({self._cause(error)})")

    def _unreachable(self, error: Exception) -> BackendUnusable:
        url = self._address.url
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            fix = "let SSL_CERT_FILE name a file with the certificate of who signed it, or use http://"
        elif isinstance(error, aiohttp.ClientSSLError):
            fix = "the server may speak plain HTTP: try http:// in --base-url"
        else:
            fix = "start the server, or correct --base-url"
        return BackendUnusable(f"cannot reach {url}: {self._cause(error)}", fix)

    def _cause(self, error: Exception) -> str:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no connection within {min(self._timeout, _CONNECT_SECONDS):g} s"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return self._address.clean(f"bad certificate ({error.certificate_error})")
        if isinstance(error, OSError) and error.errno:
            # The text that asyncio sets is longer and says less; a resolver and TLS number theirs apart.
            by_number = error.errno > 0 and not isinstance(error, aiohttp.ClientSSLError)
            return self._address.clean(os.strerror(error.errno) if by_number else str(error.strerror))
        return self._address.clean(str(error) or type(error).__name__)

    def _refuse_entry(self, status: int, body: bytes) -> None:
        message = self._address.clean(server_message(body)[0])
        if "scope" not in message.lower():  # OpenAI's restricted keys may complete, yet not list models
            raise no_entry(status, f": {message}" if message else "", self._address)

    def _refuse_unknown_model(self, names: list[str]) -> None:
        model = self._wire.model
        if not names or any(_means(listed, model) for listed in names):
            return
        known = [one_line(self._address.clean(name), 100) for name in names]
        raise BackendUnusable(f"the server at {self._address.url} has no model '{model}'", closest(model, known[:50]))


class _Listed(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Listed]


def _model_names(body: bytes) -> list[str]:
    """The ids in a list of models; none where it is not such a list."""
    try:
        return [model.id for model in msgspec.json.decode(body, type=_Models).data]
    except (ValueError, RecursionError):
        return []


def _means(listed: str, model: str) -> bool:
    """Whether a server that lists `listed` takes `model`: Ollama adds a tag, Gemini a folder, LiteLLM lists patterns."""
    return listed in (model, f"{model}:latest", f"models/{model}") or ("*" in listed and fnmatchcase(model, listed))


class _Failed(msgspec.Struct):
    code: int | str | None = None


class _Failure(msgspec.Struct):
    error: _Failed | str


def _status_inside(body: bytes) -> int:
    """The status of an error that a gateway sends as a 200; 0 where there is none."""
    if b'"error"' not in body:
        return 0
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except (ValueError, RecursionError):
        return 0
    code = error.code if isinstance(error, _Failed) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500
