"""Transport: HTTP to one server, with what can go wrong on the way told as the errors of the contract."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import AsyncIterator

import aiohttp

from skillforge import BackendUnusable, RequestFailed, SkillForgeError
from skillforge_openai.address import Address
from skillforge_openai.faults import Answer

_CONNECT_SECONDS = 30.0
_CHECK_SECONDS = 30.0
_IDLE_SECONDS = 4.0  # Uvicorn closes an idle connection after five: a request sent at that moment is lost
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS})


class Transport:
    """Sends requests to the server at `address`."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self._session = session

    async def send(self, method: str, url: str, body: bytes) -> Answer:
        """A request for an answer of the model. Raises RequestFailed where no answer comes."""
        try:
            return await self._exchange(method, url, body, self.timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._broken(error) from error

    async def look(self, method: str, url: str) -> Answer:
        """What a request for nothing but facts is answered. Raises BackendUnusable where there is no answer."""
        try:
            return await self._exchange(method, url, None, min(self.timeout, _CHECK_SECONDS))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            what = f"cannot reach {self.address.url}: {self._cause(error)}"
            raise BackendUnusable(what, "start the server, or correct --base-url") from error

    async def _exchange(self, method: str, url: str, body: bytes | None, seconds: float) -> Answer:
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        async with self._session.request(method, url, data=body, timeout=limit, allow_redirects=False) as response:
            return Answer(url, response.status, response.headers, await response.read())

    def _broken(self, error: Exception) -> SkillForgeError:
        url = self.address.url
        if isinstance(error, OSError) and error.errno in _TOO_MANY_OPEN:
            return RequestFailed(
                f"this machine has no connection left ({error.strerror}; see 'ulimit -n')", throttled=True
            )
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return RequestFailed(f"cannot reach {url}: {self._cause(error)}", connection=True)
        if isinstance(error, TimeoutError):
            return RequestFailed(f"no answer from {url} within {self.timeout:g} s", connection=True)
        if isinstance(error, aiohttp.ClientConnectionError | OSError):
            return RequestFailed(f"{url} closed the connection without an answer", connection=True)
        if isinstance(error, aiohttp.ClientPayloadError):
            return RequestFailed(f"{url} closed the connection in the middle of an answer")
        return RequestFailed(f"the answer of {url} is not HTTP ({self._cause(error)})")

    def _cause(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return "no answer in time"
        if isinstance(error, OSError) and error.errno:
            by_number = error.errno > 0 and not isinstance(error, aiohttp.ClientSSLError)
            return self.address.clean(os.strerror(error.errno) if by_number else str(error.strerror))
        return self.address.clean(str(error) or type(error).__name__)


@contextlib.asynccontextmanager
async def open_transport(address: Address, timeout: float) -> AsyncIterator[Transport]:
    """A transport to `address`; its connections are closed on leaving."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "skillforge-nemo"}
    if address.authorization:
        headers["Authorization"] = address.authorization
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, ttl_dns_cache=300)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers)
    async with session:
        yield Transport(session, address, timeout)
