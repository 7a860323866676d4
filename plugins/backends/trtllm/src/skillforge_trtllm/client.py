"""Client: one model of a Triton server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from skillforge import BackendUnusable, Client, Completion, Request, Target
from skillforge.text import closest, one_line
from skillforge_trtllm.address import address_of
from skillforge_trtllm.faults import fault, unusable
from skillforge_trtllm.interface import Interface, capabilities_of, read_interface
from skillforge_trtllm.links import Link, LinkError
from skillforge_trtllm.wire import Answer, is_streamed, outputs_for, values_for

if TYPE_CHECKING:
    from skillforge_trtllm import TrtllmOptions

_CHECK_SECONDS = 30.0
_READY_SECONDS = 5.0
USUAL_MODELS = ("ensemble", "tensorrt_llm_bls", "tensorrt_llm")
_ENGINE = "tensorrt_llm"


@contextlib.asynccontextmanager
async def open_client(target: Target, options: TrtllmOptions) -> AsyncIterator[Client]:
    """A client of the server of `target`; its connection is closed on leaving."""
    address = address_of(target)
    if address.grpc:
        from skillforge_trtllm.grpc_link import open_grpc as open_link
    else:
        from skillforge_trtllm.http_link import open_http as open_link
    async with open_link(address, options.timeout) as link:
        yield TritonClient(link, address.url, target.model.name, options.model_name)


class TritonClient(Client):
    """Learns on first use which model it asks, and what that takes."""

    def __init__(self, link: Link, url: str, asked_for: str, model_name: str | None) -> None:
        self._link = link
        self._url = url
        self._asked_for = asked_for
        self._model_name = model_name
        self._learning = asyncio.Lock()
        self._interface: Interface | None = None

    async def check(self) -> None:
        """Learn about the model. Raises BackendUnusable where it is not there, or is not one that takes text."""
        try:
            await self._learn()
        except LinkError as error:
            raise unusable(error, self._url) from error

    def capabilities(self) -> frozenset[str] | None:
        return None if self._interface is None else capabilities_of(self._interface)

    async def ready(self) -> bool:
        try:
            model = self._interface.model if self._interface else (await self._learn()).model
            return await self._link.ready(model, _READY_SECONDS)
        except (LinkError, BackendUnusable):
            return False

    async def models(self) -> Sequence[str]:
        try:
            return await self._link.models(_CHECK_SECONDS)
        except LinkError as error:
            raise unusable(error, self._url) from error

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One call, by a stream where the model is decoupled."""
        model = None
        try:
            model = await self._learn()
            return await self._ask(request, model, on_text)
        except LinkError as error:
            raise fault(error, self._url, model.model if model else self._asked_for, request) from error

    async def _ask(self, request: Request, model: Interface, on_text: Callable[[str], None] | None) -> Completion:
        streamed = is_streamed(model, heard=on_text is not None)
        values = values_for(request, model, streamed)
        tensors, outputs = model.tensors(values), outputs_for(values)
        answer = Answer(request, model, streamed, on_text)
        if not model.decoupled:
            answer.add(await self._link.ask(model.model, tensors, outputs))
            return answer.completion(None)
        began, first = time.perf_counter(), None
        async with contextlib.aclosing(self._link.stream(model.model, tensors, outputs)) as responses:
            async for response in responses:
                first = first or time.perf_counter() - began
                answer.add(response)
        return answer.completion(first if streamed else None)

    async def _learn(self) -> Interface:
        """What the model is. Raises LinkError, BackendUnusable."""
        async with self._learning:
            if self._interface is None:
                self._interface = await self._described(await self._link.models(_CHECK_SECONDS))
            return self._interface

    async def _described(self, served: Sequence[str]) -> Interface:
        name = self._chosen(served)
        metadata, config = await self._link.describe(name, _CHECK_SECONDS)
        engine = config
        if name != _ENGINE and _ENGINE in served:
            _, engine = await self._link.describe(_ENGINE, _CHECK_SECONDS)
        interface = read_interface(metadata, config, engine)
        if interface.lacks(("prompt",)):
            raise BackendUnusable(
                f"the Triton model '{name}' does not take text and give text",
                f"name one that does, such as {USUAL_MODELS[0]}, with -o backend.model_name=NAME",
            )
        if interface.required:
            raise BackendUnusable(
                f"the Triton model '{name}' wants inputs that are not known here: {', '.join(interface.required)}",
                "name another model with -o backend.model_name=NAME",
            )
        return interface

    def _chosen(self, served: Sequence[str]) -> str:
        wanted = (self._model_name,) if self._model_name else (self._asked_for, *USUAL_MODELS)
        for name in wanted:
            if name in served:
                return name
        known = [one_line(name, 100) for name in served[:50]]
        missing = f"'{wanted[0]}'" if self._model_name else " nor ".join(f"'{name}'" for name in wanted)
        what = f"the Triton server at {self._url} has no model {missing} that is ready"
        raise BackendUnusable(what, closest(wanted[0], known) if known else "load one")
