"""vLLM's engine without a server.

The engine runs in a process of its own, also where this Python has vLLM: its pins conflict with ours, so that it has an
environment of its own as a rule; its work would hold up this process's loop; and what it prints, or an end that it comes
to, must not touch the run. That process runs `worker.py` and speaks JSON over a Unix socket: it spares HTTP, not the
process. Its engine is AsyncLLM, the one of `vllm serve`: requests join the running batch when they come, and can be aborted
one by one, where the class LLM takes batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from skillforge import BackendUnusable, Client, Completion, ReasoningTags, Request, Target
from skillforge.text import one_line
from skillforge_openai.visible import Visible
from skillforge_openai.wire import encoded, tags_of
from skillforge_vllm.engine_requests import Reply, completion_of, engine_request, error_of
from skillforge_vllm.log import Log, log_of
from skillforge_vllm.worker_process import Connection, worker_process

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions


@contextlib.asynccontextmanager
async def open_offline(target: Target, options: VllmOptions) -> AsyncIterator[Client]:
    """Load the model of `target` into an engine, and give its client; on leaving, end the engine."""
    tags = ReasoningTags(options.reasoning_tags)
    with log_of(options.log) as log:
        async with worker_process(target, options, log.path) as connection:
            engine = msgspec.json.decode(await connection.receive(), type=_Engine)
            client = OfflineClient(target.model.name, connection, engine, tags, tags_of(options.reasoning_tags), log)
            listening = asyncio.create_task(client.listen())
            try:
                yield client
            finally:
                listening.cancel()


class _Engine(msgspec.Struct):
    """What the worker says of its engine: the model's context in tokens, the most requests in one batch, and versions."""

    context: int
    at_once: int
    versions: dict[str, str]


class _Waiting:
    """A request on its way."""

    def __init__(self, visible: Visible | None) -> None:
        self.done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.first_token: float | None = None
        self._visible = visible
        self._sent = time.perf_counter()

    def add(self, text: str) -> None:
        """A further piece of the answer."""
        assert self._visible is not None
        self.first_token = self.first_token or time.perf_counter() - self._sent
        self._visible.add(text)

    def end(self, text: str) -> None:
        """All that was not told yet of the answer `text`."""
        if self._visible is not None:
            self._visible.end(text)

    def fail(self, error: Exception) -> None:
        """There will be no answer."""
        if not self.done.done():
            self.done.set_exception(error)


class OfflineClient(Client):
    """A loaded model."""

    def __init__(
        self, model: str, connection: Connection, engine: _Engine, tags: ReasoningTags, pair: Sequence[str], log: Log
    ) -> None:
        self._model = model
        self._connection = connection
        self._context = engine.context
        self._versions = engine.versions
        self._tags = tags
        self._pair = tuple(pair)
        self._log = log
        self._waiting: dict[int, _Waiting] = {}
        self._numbers = itertools.count()
        self._fatal: BackendUnusable | None = None
        # Twice a batch, so that the next request is there when one ends.
        self.default_concurrency = 2 * engine.at_once

    async def listen(self) -> None:
        """Hand the worker's replies to those who wait for them, until it has gone."""
        decode = msgspec.json.Decoder(Reply).decode
        try:
            while True:
                reply = decode(await self._connection.receive())
                if reply.broken is not None:
                    raise self._connection.error(f"lost its engine ({one_line(reply.broken)})")
                if waiting := self._waiting.get(reply.id):
                    _hand_over(reply, waiting)
        except BackendUnusable as error:
            self._fatal = error
            self._log.named = True
            for waiting in self._waiting.values():
                waiting.fail(error)

    async def ready(self) -> bool:
        return self._fatal is None

    async def models(self) -> Sequence[str]:
        return (self._model,)

    async def context_length(self) -> int | None:
        return self._context

    async def versions(self) -> Mapping[str, str]:
        return self._versions

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """Hand the request to the engine and wait for its answer."""
        if self._fatal is not None:
            raise self._fatal
        number = next(self._numbers)
        message = encoded({"id": number, "stream": on_text is not None, **engine_request(request)})
        waiting = self._waiting[number] = _Waiting(self._visible(request, on_text))
        try:
            self._connection.send(message)
            reply = await waiting.done
        finally:
            del self._waiting[number]
            if waiting.done.cancelled():
                self._connection.send(msgspec.json.encode({"abort": number}))
        if reply.done is None:
            raise error_of(reply)
        completion = completion_of(reply.done, request, self._tags, waiting.first_token)
        waiting.end(completion.text)
        return completion

    def _visible(self, request: Request, on_text: Callable[[str], None] | None) -> Visible | None:
        if on_text is None:
            return None
        return Visible(on_text, () if request.whole else self._pair, self._tags.opened_by(request.prompt))


def _hand_over(reply: Reply, waiting: _Waiting) -> None:
    if reply.text is None:
        if not waiting.done.done():
            waiting.done.set_result(reply)
        return
    try:
        waiting.add(reply.text)
    except Exception as error:  # a listener's fault is its own request's
        waiting.fail(error)
