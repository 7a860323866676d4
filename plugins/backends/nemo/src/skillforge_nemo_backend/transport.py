"""Transport: HTTP to one server, with what can go wrong on the way told as the errors of the contract."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp

from skillforge import BackendUnusable, RequestFailed
from skillforge_openai.address import Address
from skillforge_openai.bodies import MOST_OF_COMPLETION, read_answer_body
from skillforge_openai.connection import CONNECT_SECONDS, broken, new_session, unreachable
from skillforge_openai.faults import Answer

_CHECK_SECONDS = 30.0


class Transport:
    """Sends requests to the server at `address`."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self._session = session

    async def send(self, method: str, url: str, body: bytes) -> Answer:
        """A request for an answer of the model. Raises RequestFailed where none comes, or one without end."""
        try:
            return await self._exchange(method, url, body, self.timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, self.address, self.timeout) from error

    async def look(self, method: str, url: str) -> Answer:
        """What a request for nothing but facts is answered. Raises BackendUnusable where there is no answer."""
        try:
            return await self._exchange(method, url, None, min(self.timeout, _CHECK_SECONDS))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(error, self.address, self.timeout) from error
        except RequestFailed as failed:
            raise BackendUnusable(failed.what, "correct --base-url") from failed

    async def _exchange(self, method: str, url: str, body: bytes | None, seconds: float) -> Answer:
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        async with self._session.request(method, url, data=body, timeout=limit, allow_redirects=False) as response:
            content = await read_answer_body(response, MOST_OF_COMPLETION)
            return Answer(url, response.status, response.headers, content)


@contextlib.asynccontextmanager
async def open_transport(address: Address, timeout: float) -> AsyncIterator[Transport]:
    """A transport to `address`; its connections are closed on leaving."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "skillforge-nemo"}
    async with new_session(address, timeout, headers) as session:
        yield Transport(session, address, timeout)
