"""CachingClient: a client that asks another one only for what is not kept yet."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from skillforge.cache.keys import Keys, finished
from skillforge.cache.origin import Origin
from skillforge.cache.store import Store
from skillforge.cache.writer import Writer
from skillforge.parts.backend import Client, Completion, Request
from skillforge.text import one_line

_decode = msgspec.msgpack.Decoder(Completion).decode


class CachingClient(Client):
    """`inner`, with the completions of one origin kept in a store.

    A completion that was kept is marked as `cached`. A fault of the store ends caching, and nothing else.
    """

    def __init__(self, inner: Client, keys: Keys, store: Store, writer: Writer) -> None:
        self.default_concurrency = inner.default_concurrency
        self.requests = 0
        self.repeatable = 0
        """Requests that may be kept."""

        self.hits = 0
        self.fault: sqlite3.Error | None = None
        """Why nothing is looked up any more."""

        self._inner = inner
        self._keys = keys
        self._store = store
        self._writer = writer

    async def check(self) -> None:
        await self._inner.check()

    def capabilities(self) -> frozenset[str] | None:
        return self._inner.capabilities()

    async def ready(self) -> bool:
        return await self._inner.ready()

    async def models(self) -> Sequence[str]:
        return await self._inner.models()

    async def context_length(self) -> int | None:
        return await self._inner.context_length()

    async def versions(self) -> Mapping[str, str]:
        return await self._inner.versions()

    def uncached(self) -> Client:
        return self._inner

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """What is kept for `request`, whose text `on_text` is told at once, or else what the inner client answers."""
        self.requests += 1
        key = self._keys.of(request)
        heard = () if on_text is None else (on_text,)
        if key is None:
            return await self._inner.complete(request, *heard)
        self.repeatable += 1
        kept = self._find(key)
        if kept is not None:
            self.hits += 1
            self._writer.hit()
            if on_text is not None and kept.text:
                on_text(kept.text)
            return kept
        completion = await self._inner.complete(request, *heard)
        if finished(completion):
            self._writer.add(key, msgspec.structs.replace(completion, cached=True, first_token=None))
        return completion

    def _find(self, key: bytes) -> Completion | None:
        if self.fault is not None:
            return None
        try:
            value = self._store.get(key)
            return None if value is None else _decode(value)
        except sqlite3.Error as error:
            self.fault = error
        except (ValueError, RecursionError):  # of a version that knew other completions
            pass
        return None


@contextlib.asynccontextmanager
async def caching(
    client: Client, store: Store, find_origin: Callable[[], Origin], note: Callable[[str], None]
) -> AsyncIterator[Client]:
    """`client`, with what it answers kept in `store`; `note` is told in the end what that was good for.

    `find_origin` runs in a thread, since it may read files.
    """
    origin = await asyncio.to_thread(find_origin)
    writer = Writer(store, store.origin(origin.backend, origin.model, origin.place))
    cached = CachingClient(client, Keys(origin), store, writer)
    try:
        yield cached
    finally:
        writer.close()
        _tell(cached, writer, store.path.parent, note)


def _tell(client: CachingClient, writer: Writer, folder: Path, note: Callable[[str], None]) -> None:
    if client.requests and not client.repeatable:
        note("nothing was cached: without a seed, samples are drawn anew each time (set --seed, or --temperature 0)")
    elif client.requests:
        note(
            f"of {client.requests} completions, {client.hits} came from the cache in {folder}; {writer.kept} were added"
        )
    for what, fault in (("added to", writer.fault), ("read from", client.fault)):
        if fault is not None:
            note(f"nothing more was {what} the cache in {folder}: {one_line(str(fault))}")
