"""Client: the traffic, on one aiohttp session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

import aiohttp
import msgspec
from yarl import URL

from skillforge import BackendUnusable, Client, Completion, Request, SkillForgeError
from skillforge.text import closest, one_line
from skillforge_openai.address import Address
from skillforge_openai.catalog import Listed, entry_of, lacking, means, read_catalog
from skillforge_openai.connection import broken, new_session, unreachable
from skillforge_openai.faults import Answer, fault, no_entry, server_message, status_inside
from skillforge_openai.responses import ResponseStream, ResponsesWire
from skillforge_openai.sse import Events
from skillforge_openai.stream import Stream
from skillforge_openai.wire import Wire

AnyWire = Wire | ResponsesWire

_CHECK_SECONDS = 30.0
_READY_SECONDS = 5.0
_LAST_BYTES_SECONDS = 1.0
_NOBODY_HOME = frozenset({502, 503, 504})
"""What a gateway answers for a server that is not there, and a server that still loads its model."""


@contextlib.asynccontextmanager
async def open_client(
    address: Address, wire: AnyWire, timeout: float, able: frozenset[str] | None = None
) -> AsyncIterator[Client]:
    """A client of the server at `address`, whose backend is capable of `able`; its connections are closed on leaving."""
    async with new_client_session(address, timeout) as session:
        yield OpenAIClient(session, address, wire, timeout, able)


def new_client_session(address: Address, timeout: float) -> aiohttp.ClientSession:
    """A session with the server at `address`."""
    headers = {
        "Accept": "application/json, text/event-stream",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "skillforge-openai",
    }
    return new_session(address, timeout, headers)


class OpenAIClient(Client):
    """A server, asked for one model."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        wire: AnyWire,
        timeout: float,
        able: frozenset[str] | None = None,
    ) -> None:
        self._session = session
        self._address = address
        self._wire = wire
        self._timeout = timeout
        self._able = able
        self._urls: dict[str, URL] = {}
        self._catalog: list[Listed] = []

    async def check(self) -> None:
        """Ask for the list of models. What a server does not tell is passed over."""
        self._refuse_unknown_model([model.id for model in await self._listed()])

    def capabilities(self) -> frozenset[str] | None:
        """Less than the backend's where the list of models tells what this one takes, as OpenRouter's does."""
        without = lacking(entry_of(self._wire.model, self._catalog))
        return self._able - without if self._able is not None and without else None

    async def ready(self) -> bool:
        """Whether the server's health says so; where it has none to ask, whether there is a server at all."""
        health = self._wire.dialect.health
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            if health is not None:
                answer = await self._get(self._address.root + health, _READY_SECONDS)
                if answer.status != 404:  # as a gateway answers, that lets no more through than it must
                    return answer.status < 500
            answer = await self._get(self._address.at("/models"), _READY_SECONDS)
            return answer.status not in _NOBODY_HOME
        return False

    async def models(self) -> Sequence[str]:
        return [one_line(self._address.clean(model.id), 100) for model in await self._listed()]

    async def context_length(self) -> int | None:
        """As the list of models tells it."""
        entry = entry_of(self._wire.model, await self._listed())
        return entry.context if entry else None

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One POST, streamed where somebody listens."""
        stream = None if on_text is None else self._wire.stream(request, on_text)
        body = self._wire.body(request, streamed=stream is not None)
        path = self._wire.endpoint(request)
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self._address.at(path)))
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                if stream is not None and response.status == 200 and response.content_type != "application/json":
                    return await self._read_stream(response, stream, request)
                answer = Answer(str(url), response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, self._address, self._timeout) from error
        if answer.status != 200 or status_inside(answer.body):
            raise self._fault(answer, request)
        completion = self._wire.completion(answer.body, request)
        if on_text is not None and completion.text:  # the server does not stream
            on_text(completion.text)
        return completion

    async def _read_stream(
        self, response: aiohttp.ClientResponse, stream: Stream | ResponseStream, request: Request
    ) -> Completion:
        """The answer in an open stream. Raises RequestFailed for one that is cut off."""
        async with contextlib.aclosing(_events(response)) as events:
            async for event in events:
                if status_inside(event):
                    raise self._fault(Answer(str(response.url), 200, response.headers, event), request)
                if stream.add(event):
                    break
        await _read_to_end(response)
        return stream.completion()

    def _fault(self, answer: Answer, request: Request) -> SkillForgeError:
        """The error that `answer` tells, by its status or, in a 200, within."""
        status = status_inside(answer.body) if answer.status == 200 else answer.status
        return fault(msgspec.structs.replace(answer, status=status), self._address, self._wire.model, request)

    async def _listed(self) -> list[Listed]:
        """The list of models; empty where the server does not tell. Raises BackendUnusable where it lets nobody in."""
        if self._catalog:
            return self._catalog
        try:
            answer = await self._get(self._address.at("/models"), _CHECK_SECONDS)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise unreachable(error, self._address, self._timeout) from error
        except (aiohttp.ClientError, TimeoutError, OSError):
            return []
        if answer.status in (401, 403):
            self._refuse_entry(answer)
        elif answer.status == 200 and self._address.lists_models:
            self._catalog = read_catalog(answer.body)
        return self._catalog

    async def _get(self, url: str, seconds: float) -> Answer:
        async with (
            new_session(self._address, min(self._timeout, seconds), self._session.headers, reused=False) as alone,
            alone.get(URL(url), allow_redirects=False) as response,
        ):
            return Answer(url, response.status, response.headers, await response.read())

    def _refuse_entry(self, answer: Answer) -> None:
        message = self._address.clean(server_message(answer.body)[0])
        if "scope" not in message.lower():  # OpenAI's restricted keys may complete, yet not list models
            raise no_entry(answer.status, f": {message}" if message else "", self._address)

    def _refuse_unknown_model(self, names: list[str]) -> None:
        model = self._wire.model
        if not names or any(means(listed, model) for listed in names):
            return
        known = [one_line(self._address.clean(name), 100) for name in names]
        raise BackendUnusable(f"the server at {self._address.url} has no model '{model}'", closest(model, known[:50]))


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The data of each event in the body of `response`."""
    events = Events()
    async for piece in response.content.iter_any():
        for event in events.feed(piece):
            yield event
    for event in events.end():
        yield event


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Let the response end behind its last event, so that its connection can be used again."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(_LAST_BYTES_SECONDS):
            await response.content.read()
