"""Client: the asyncio side. Requests become rows, rows wait for the worker."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from skillforge import Client, Completion, ContextOverflow, Request, RequestRefused, Target
from skillforge_transformers.row import DEFAULT_MAX_TOKENS, Row
from skillforge_transformers.stream import Stream
from skillforge_transformers.worker import Worker

if TYPE_CHECKING:
    import torch

    from skillforge_transformers import TransformersOptions
    from skillforge_transformers.loading import Loaded

_CLOSE_SECONDS = 10


@contextlib.asynccontextmanager
async def open_client(target: Target, options: TransformersOptions) -> AsyncIterator[Client]:
    """Load the model of `target` and give its client; on leaving, end what runs and free the memory."""
    worker = Worker(target, options)
    worker.start()
    try:
        loaded = await worker.ready
        client = TransformersClient(worker, loaded, options.batch_size)
        del loaded
        yield client
    finally:
        worker.stop()
        if worker.ready.done() and not worker.ready.cancelled():  # a load cannot be broken off: leave it behind
            await asyncio.wait([worker.ended], timeout=_CLOSE_SECONDS)


def _versions(device: torch.device) -> dict[str, str]:
    """Those of the libraries, and `device` with its name."""
    import torch
    import transformers

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"transformers": transformers.__version__, "torch": torch.__version__, "device": f"{device.type} {name}"}


class TransformersClient(Client):
    """A loaded model."""

    def __init__(self, worker: Worker, loaded: Loaded, batch_size: int) -> None:
        self._worker = worker
        self._texts = loaded.texts
        self._defaults = loaded.defaults
        self._context = loaded.context
        self._name = loaded.name
        self._versions = _versions(loaded.device)
        # Twice the batch, so that the next one is there when the model is free.
        self.default_concurrency = 2 * batch_size

    async def models(self) -> Sequence[str]:
        return (self._name,)

    async def context_length(self) -> int | None:
        return self._context

    async def versions(self) -> Mapping[str, str]:
        return self._versions

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """Queue the request and wait for its completion.

        Raises ContextOverflow where the prompt fills the context, UsageError for chat messages without a chat template.
        """
        row = self._row(request, on_text)
        self._worker.submit(row)
        try:
            return await row.future
        finally:
            if not row.future.done() or row.future.cancelled():
                self._worker.cancel(row)

    def _row(self, request: Request, on_text: Callable[[str], None] | None) -> Row:
        prompt, ids = request.prompt, request.prompt_ids
        encoded = self._texts.encode(prompt) if ids is None else self._texts.encoded(ids, prompt)
        sampling = request.sampling.over(self._defaults)
        stops = self._texts.stops(tuple(sampling.stop))
        lead_ids = encoded.lead_ids if encoded.goes_on or request.whole else []
        opened = None if request.whole else encoded.reasoning_opened
        return Row(
            prompt_ids=encoded.ids,
            sampling=sampling,
            max_tokens=self._room_for(len(encoded.ids), sampling.max_tokens or DEFAULT_MAX_TOKENS),
            seed=secrets.randbits(53) if request.seed is None else request.seed,
            stops=stops,
            future=asyncio.get_running_loop().create_future(),
            lead_ids=lead_ids,
            reasoning_opened=encoded.reasoning_opened,
            whole=request.whole,
            stream=None if on_text is None else Stream(on_text, self._texts, lead_ids, stops.texts, opened),
        )

    def _room_for(self, prompt: int, max_tokens: int) -> int:
        """`max_tokens`, cut down to what the context has left after the prompt."""
        if prompt == 0:
            raise RequestRefused("the prompt is empty: it has no tokens", "give the model something to continue")
        if self._context is None:
            return max_tokens
        if prompt >= self._context:
            raise ContextOverflow(
                f"the prompt has {prompt} tokens and the model's context {self._context}: there is no room to answer",
                "shorten the prompt (fewer few-shot examples), or use a model with a longer context",
                room=0,
            )
        return min(max_tokens, self._context - prompt)
