"""Batch client: requests that are answered by batches, each awaited like any other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import msgspec

from skillforge import Client, Completion, Request, RequestFailed
from skillforge_openai.address import Address
from skillforge_openai.batch_api import BatchApi
from skillforge_openai.batch_records import Records
from skillforge_openai.batches import MOST_REQUESTS, Batches
from skillforge_openai.client import AnyWire, OpenAIClient, new_client_session
from skillforge_openai.discreet import discreet
from skillforge_openai.faults import Answer, server_message, status_inside
from skillforge_openai.lenient import read_json


@contextlib.asynccontextmanager
async def open_batch_client(
    address: Address, wire: AnyWire, timeout: float, able: frozenset[str], folder: Path
) -> AsyncIterator[Client]:
    """A client whose requests go in batches, which are noted in `folder`."""
    async with new_client_session(address, timeout) as session:
        api = BatchApi(session, address, wire.model, timeout)
        batches = Batches(api, Records(folder), address, timeout)
        finished = False
        try:
            yield BatchClient(session, address, wire, timeout, able, batches)
            finished = True
        finally:
            await batches.close(finished)


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = msgspec.Raw(b"{}")


class _Line(msgspec.Struct):
    """The answer to one request of a batch."""

    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")


_line = msgspec.json.Decoder(_Line)


class BatchClient(OpenAIClient):
    """A server, asked for one model in batches."""

    default_concurrency = MOST_REQUESTS

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        wire: AnyWire,
        timeout: float,
        able: frozenset[str],
        batches: Batches,
    ) -> None:
        super().__init__(session, address, wire, timeout, able)
        self._batches = batches

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One line of a batch. Where this is cancelled, the line is worked off all the same."""
        path, body = self._wire.endpoint(request), self._wire.body(request)
        line = read_json(await self._batches.answer(path, body), _line)
        if line.response is None:
            said = self._address.clean(discreet(server_message(bytes(line.error))[0], request))
            raise RequestFailed(f"the server did not answer this request of the batch ({said})")
        answer = Answer(self._address.at(path), line.response.status_code, {}, bytes(line.response.body))
        if answer.status != 200 or status_inside(answer.body):
            raise self._fault(answer, request)
        return self._wire.completion(answer.body, request)
