"""Client: the traffic, on one aiohttp session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

import aiohttp
import msgspec
from yarl import URL

from skillforge import BackendUnusable, Client, Completion, Request, SkillForgeError
from skillforge.text import closest, one_line
from skillforge_openai.address import Address
from skillforge_openai.bodies import (
    MOST_OF_COMPLETION,
    MOST_OF_FACTS,
    MOST_OF_STREAM,
    read_beginning,
    read_body,
    too_long,
)
from skillforge_openai.catalog import Listed, entry_of, lacking, means, read_catalog
from skillforge_openai.connection import broken, new_session, unreachable
from skillforge_openai.discreet import discreet
from skillforge_openai.faults import Answer, fault, no_entry, refuse_page, server_message, status_inside
from skillforge_openai.passed_over import passed_over
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


class _Version(msgspec.Struct):
    """What a server answers that tells its version."""

    version: str


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
        self._passed_over: set[str] = set()

    async def check(self) -> None:
        """Ask for the list of models, each time anew: a key may have expired since. What a server does not tell is passed
        over."""
        self._catalog = await self._fetch_catalog() or self._catalog
        self._refuse_unknown_model([model.id for model in self._catalog])

    def capabilities(self) -> frozenset[str] | None:
        """Less than the backend's where the list of models tells what this one takes, as OpenRouter's does, and where an
        answer has shown that the server passes something over."""
        without = lacking(entry_of(self._wire.model, self._catalog)) | self._passed_over
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

    async def versions(self) -> Mapping[str, str]:
        """That of the server, where it tells one: a gateway before it may not."""
        if self._wire.dialect.version is not None:
            name, path = self._wire.dialect.version
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError):
                answer = await self._get(self._address.root + path, _READY_SECONDS)
                return {name: msgspec.json.decode(answer.body, type=_Version).version}
        return {}

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One POST, streamed where somebody listens."""
        stream = None if on_text is None else self._wire.stream(request, on_text)
        async with self._sent(request, self._wire.body(request, streamed=stream is not None)) as response:
            if stream is not None and response.content_type != "application/json":
                await self._read_stream(response, stream, request)
                completion = stream.completion()
            else:
                completion = self._wire.completion(await self._read(response, request), request)
                if on_text is not None and completion.text:  # the server does not stream
                    on_text(completion.text)
        self._refuse_passed_over(request, completion)
        return completion

    @contextlib.asynccontextmanager
    async def _sent(self, request: Request, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to `request`, sent as `body`, of status 200; what breaks while it is read is told in its words, too."""
        path = self._wire.endpoint(request)
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self._address.at(path)))
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                if response.status != 200:
                    raise self._fault(_answer(response, await read_beginning(response)), request)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, self._address, self._timeout) from error

    async def _read(self, response: aiohttp.ClientResponse, request: Request, samples: int = 1) -> bytes:
        """The whole of `response`, which holds so many `samples`, where it tells no error."""
        body = await read_body(response, samples * MOST_OF_COMPLETION)
        if status_inside(body):
            raise self._fault(_answer(response, body), request)
        refuse_page(body, response.url)
        return body

    async def _read_stream(
        self, response: aiohttp.ClientResponse, stream: Stream | ResponseStream, request: Request
    ) -> None:
        """Read all events into `stream`."""
        async with contextlib.aclosing(_events(response)) as events:
            async for event in events:
                if status_inside(event):
                    raise self._fault(_answer(response, event), request)
                if stream.add(event):
                    break
        await _read_to_end(response)

    def _refuse_passed_over(self, request: Request, completion: Completion) -> None:
        """Raises BackendUnusable where the server took no notice of a part of `request`; its capabilities tell so then."""
        name = passed_over(request, completion)
        if name is not None:
            self._passed_over.add(name)
            flag = name.replace("_", "-")
            raise BackendUnusable(
                f"the server at {self._address.url} answers as if --{flag} had not been asked for",
                f"leave --{flag} out, or use a server that can do it",
            )

    def _fault(self, answer: Answer, request: Request) -> SkillForgeError:
        """The error that `answer` tells, by its status or, in a 200, within."""
        status = status_inside(answer.body) if answer.status == 200 else answer.status
        return fault(msgspec.structs.replace(answer, status=status), self._address, self._wire.model, request)

    async def _listed(self) -> list[Listed]:
        """The list of models, as it was told before where it was."""
        self._catalog = self._catalog or await self._fetch_catalog()
        return self._catalog

    async def _fetch_catalog(self) -> list[Listed]:
        """The list of models; empty where the server does not tell. Raises BackendUnusable where it lets nobody in."""
        try:
            answer = await self._get(self._address.at("/models"), _CHECK_SECONDS)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise unreachable(error, self._address, self._timeout) from error
        except (aiohttp.ClientError, TimeoutError, OSError):
            return []
        if answer.status in (401, 403):
            self._refuse_entry(answer)
        lists = answer.status == 200 and self._address.lists_models
        return read_catalog(answer.body) if lists else []

    async def _get(self, url: str, seconds: float) -> Answer:
        async with (
            new_session(self._address, min(self._timeout, seconds), self._session.headers, reused=False) as alone,
            alone.get(URL(url), allow_redirects=False) as response,
        ):
            return _answer(response, await read_beginning(response, MOST_OF_FACTS))

    def _refuse_entry(self, answer: Answer) -> None:
        message = self._address.clean(discreet(server_message(answer.body)[0]))
        if "scope" not in message.lower():  # OpenAI's restricted keys may complete, yet not list models
            raise no_entry(answer.status, f": {message}" if message else "", self._address)

    def _refuse_unknown_model(self, names: list[str]) -> None:
        model = self._wire.model
        if not names or any(means(listed, model) for listed in names):
            return
        known = [one_line(self._address.clean(name), 100) for name in names]
        raise BackendUnusable(f"the server at {self._address.url} has no model '{model}'", closest(model, known[:50]))


def _answer(response: aiohttp.ClientResponse, body: bytes) -> Answer:
    return Answer(str(response.url), response.status, response.headers, body)


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The data of each event in the body of `response`."""
    events, size = Events(), 0
    async for piece in response.content.iter_any():
        if not size:
            refuse_page(piece, response.url)
        size += len(piece)
        if size > MOST_OF_STREAM:
            raise too_long(MOST_OF_STREAM)
        for event in events.feed(piece):
            yield event
    for event in events.end():
        yield event


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Let the response end behind its last event, so that its connection can be used again."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(_LAST_BYTES_SECONDS):
            await read_beginning(response)
