"""Client: vLLM's server through the backend openai, with what only vLLM's server can be asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from skillforge import (
    Client,
    Completion,
    Message,
    Request,
    RequestRefused,
    Sampling,
    SkillForgeError,
    Target,
    ToolProtocol,
)
from skillforge_vllm.serve import OPENAI, openai_options

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

_NO_PARSER = "--tool-call-parser"
"""What vLLM's refusal of tools names, where it was started without a parser of their calls."""

_NEVER_DONE = Request(
    (Message("user", "-"),), Sampling(max_tokens=1, temperature=1000.0), tools=(ToolProtocol(),)
)  # the tools are looked at first; then vLLM refuses the temperature, and generates nothing


@contextlib.asynccontextmanager
async def open_running(target: Target, options: VllmOptions) -> AsyncIterator[Client]:
    """A client of the server of `target`."""
    opened = openai_options(options)
    async with OPENAI.open(target, opened) as client:
        yield VllmClient(client, OPENAI.capabilities(opened))


class VllmClient(Client):
    """A server of vLLM, whose `able` is what such a server can do at most."""

    def __init__(self, client: Client, able: frozenset[str]) -> None:
        self._client = client
        self._able = able

    async def check(self) -> None:
        """As the backend openai does; and whether the server was started with a parser of tool calls."""
        await self._client.check()
        if not await self._takes_tools():
            self._able -= {"tools"}

    async def _takes_tools(self) -> bool:
        try:
            await self._client.complete(_NEVER_DONE)
        except RequestRefused as refused:
            return _NO_PARSER not in refused.what
        except SkillForgeError:  # nothing is known then
            return True
        return True

    def capabilities(self) -> frozenset[str] | None:
        return self._able

    async def ready(self) -> bool:
        return await self._client.ready()

    async def models(self) -> Sequence[str]:
        return await self._client.models()

    async def context_length(self) -> int | None:
        return await self._client.context_length()

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        return await self._client.complete(request, on_text)
