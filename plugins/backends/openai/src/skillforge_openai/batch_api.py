"""Batch API: files of requests that a server works off within a day, at a lower price.

https://platform.openai.com/docs/api-reference/batch
"""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from skillforge import BackendUnusable, RequestFailed
from skillforge_openai.address import Address
from skillforge_openai.bodies import MOST_OF_COMPLETION, MOST_OF_FACTS, read_answer_body, read_beginning, too_long
from skillforge_openai.connection import broken
from skillforge_openai.discreet import discreet
from skillforge_openai.faults import Answer, fault, server_message
from skillforge_openai.lenient import read_json

_NOT_THERE = frozenset({400, 404, 405, 501})


class Gone(RequestFailed):
    """A batch or its file is not there any more: to be submitted again."""


class _Named(msgspec.Struct):
    id: str


class _Error(msgspec.Struct):
    message: str | None = None
    code: str | None = None


class _Errors(msgspec.Struct):
    data: list[_Error] | None = None


class Batch(msgspec.Struct):
    """A batch as the server tells of it."""

    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Errors | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in ("completed", "failed", "expired", "cancelled")

    @property
    def why(self) -> str:
        """What the server says of its failure; empty where it says nothing."""
        told = (self.errors.data if self.errors else None) or ()
        return "; ".join(dict.fromkeys(each.message or each.code or "" for each in told[:5]))


class _Batches(msgspec.Struct):
    data: list[Batch]


_named = msgspec.json.Decoder(_Named)
_batch = msgspec.json.Decoder(Batch)
_batches = msgspec.json.Decoder(_Batches)


class BatchApi:
    """The calls. They raise RequestFailed for what can pass, BackendUnusable for a server that takes no batches."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, model: str, timeout: float) -> None:
        self._session = session
        self._address = address
        self._model = model
        self._timeout = timeout

    async def upload(self, lines: bytes) -> str:
        """The id of a new file of requests."""
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", io.BytesIO(lines), filename="requests.jsonl", content_type="application/jsonl")
        return read_json(await self._make("/files", form()), _named).id

    async def create(self, input_file: str, path: str) -> str:
        """The id of a new batch of the requests in `input_file`, all for the endpoint `path`."""
        wanted = {
            "input_file_id": input_file,
            "endpoint": self._address.batch_prefix + path,
            "completion_window": "24h",
        }
        return read_json(await self._make("/batches", msgspec.json.encode(wanted)), _named).id

    async def look(self, batch: str) -> Batch:
        """How far `batch` is. Raises Gone."""
        return read_json(await self._get(f"/batches/{batch}"), _batch)

    async def find(self, input_file: str) -> str | None:
        """The id of the batch of the requests in `input_file`, if it is among the latest."""
        latest = read_json(await self._get("/batches?limit=100"), _batches).data
        return next((batch.id for batch in latest if batch.input_file_id == input_file), None)

    async def lines(self, file: str) -> AsyncGenerator[bytes, None]:
        """The lines of a file of answers. Raises Gone."""
        rest = b""
        url = self._url(f"/files/{file}/content")
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    raise self._fault(url, response, await read_beginning(response))
                async for piece in response.content.iter_chunked(2**20):
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in filter(None, whole):
                        yield line
                    if len(rest) > MOST_OF_COMPLETION:
                        raise too_long(MOST_OF_COMPLETION)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, self._address, self._timeout) from error
        if rest:
            yield rest

    async def _get(self, path: str) -> bytes:
        url = self._url(path)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                body = await read_answer_body(response, MOST_OF_FACTS)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, self._address, self._timeout) from error
        if response.status != 200:
            raise self._fault(url, response, body)
        return body

    async def _make(self, path: str, data: Any) -> bytes:
        """The answer to a POST that makes something."""
        url = self._url(path)
        kind = data.headers["Content-Type"] if isinstance(data, aiohttp.Payload) else "application/json"
        try:
            async with self._session.post(
                url, data=data, headers={"Content-Type": kind}, allow_redirects=False
            ) as response:
                body = await read_answer_body(response, MOST_OF_FACTS)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, self._address, self._timeout) from error
        if response.status in _NOT_THERE:
            said = self._address.clean(discreet(server_message(body)[0]))
            raise BackendUnusable(
                f"the server at {self._address.url} does not take this batch (POST {path}: HTTP {response.status}"
                f"{': ' + said if said else ''})",
                "leave out -o backend.batch=true where it has no batches",
            )
        if response.status not in (200, 201):
            raise self._fault(url, response, body)
        return body

    def _fault(self, url: URL, response: aiohttp.ClientResponse, body: bytes) -> Exception:
        if response.status == 404:
            return Gone(f"the server at {self._address.url} has the batch no more (HTTP 404)")
        return fault(Answer(str(url), response.status, response.headers, body), self._address, self._model)

    def _url(self, path: str) -> URL:
        return URL(self._address.at(path))
