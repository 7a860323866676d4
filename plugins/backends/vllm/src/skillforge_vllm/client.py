"""Client: vLLM's server through the backend openai, with what only vLLM's server can be asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from skillforge import (
    Client,
    Completion,
    Message,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    SkillForgeError,
    Target,
    ToolProtocol,
)
from skillforge_vllm.engine_requests import broken_off
from skillforge_vllm.serve import OPENAI, openai_options

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

_NO_PARSER = "--tool-call-parser"
"""What vLLM's refusal of tools names, where it was started without a parser of their calls."""

_BROKEN_OFF = "HTTP 500: Internal server error"
"""What is told of an answer that the engine broke off."""

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
        self._takes_tools: bool | None = None
        """Whether the server was started with a parser of tool calls, once it has told."""

    async def check(self) -> None:
        """As the backend openai does; and, until that is known, whether the server takes tools."""
        await self._client.check()
        if self._takes_tools is None:
            self._takes_tools = await self._ask_for_tools()

    async def _ask_for_tools(self) -> bool | None:
        try:
            await self._client.complete(_NEVER_DONE)
        except RequestRefused as refused:
            return _NO_PARSER not in refused.what
        except SkillForgeError:
            return None
        return True

    def capabilities(self) -> frozenset[str] | None:
        found = self._client.capabilities()
        able = self._able if found is None else found
        return able - {"tools"} if self._takes_tools is False else able

    async def ready(self) -> bool:
        return await self._client.ready()

    async def models(self) -> Sequence[str]:
        return await self._client.models()

    async def context_length(self) -> int | None:
        return await self._client.context_length()

    async def versions(self) -> Mapping[str, str]:
        return await self._client.versions()

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """Raises RequestRefused for an answer that broke off because of its schema."""
        try:
            return await self._client.complete(request, on_text)
        except RequestFailed as failed:
            if request.sampling.json_schema is None or _BROKEN_OFF not in failed.what:
                raise
            raise broken_off(_BROKEN_OFF, request) from failed
