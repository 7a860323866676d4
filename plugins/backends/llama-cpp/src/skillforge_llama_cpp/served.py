"""Served: llama.cpp's servers. They speak the OpenAI protocol, so the client of the backend openai talks to them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from skillforge import Client, Completion, Request, Target
from skillforge_openai import OpenAIOptions
from skillforge_openai.address import Address
from skillforge_openai.client import OpenAIClient
from skillforge_openai.connection import new_session
from skillforge_openai.dialect import Dialect
from skillforge_openai.wire import Wire

if TYPE_CHECKING:
    from skillforge_llama_cpp import LlamaCppOptions

CAPABILITIES = frozenset(
    {
        "chat", "text", "continue", "tools", "stream", "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop",
        "seed", "repetition_penalty", "presence_penalty", "frequency_penalty", "logprobs", "json_schema",
    }
)  # fmt: skip
"""What llama-server can do."""

LACKING_IN_PYTHON = frozenset({"continue", "tools", "stream", "logprobs", "json_schema"})
"""What llama-cpp-python's server ignores, or does only where it was started for it, which it does not tell."""

_DIALECT = Dialect(
    sampling={"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repeat_penalty"},
    continues=True,
    text_schema="json_schema",
    health="/health",
)
# llama-server closes a connection after each stream, without a word, and needs a thread for each that is left open.
_HEADERS = {
    "Accept-Encoding": "identity",
    "Connection": "close",
    "Content-Type": "application/json",
    "User-Agent": "skillforge-llama-cpp",
}
_PROPS_SECONDS = 30.0


@contextlib.asynccontextmanager
async def open_server(target: Target, options: LlamaCppOptions) -> AsyncIterator[Client]:
    """A client of the server at `target.base_url`; its connections are closed on leaving."""
    address = Address.of(target, options.api_key_env)
    async with new_session(address, options.timeout, _HEADERS) as session:
        yield ServedClient(session, address, _wire(target, options), options.timeout)


def preview(request: Request, target: Target, options: LlamaCppOptions) -> str:
    """The request as it would be sent."""
    address = Address.of(target, options.api_key_env)
    return _wire(target, options).preview(_without_own_penalty(request), address.url)


class _Settings(msgspec.Struct):
    n_ctx: int


class _Props(msgspec.Struct):
    """What llama-server tells of itself, and llama-cpp-python's server does not."""

    default_generation_settings: _Settings


class ServedClient(OpenAIClient):
    """A server of llama.cpp's, asked for one model."""

    _props: _Props | None = None

    async def check(self) -> None:
        """Ask for the list of models, and which of the two servers it is."""
        await super().check()
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError):
            answer = await self._get(f"{self._address.root}/props", _PROPS_SECONDS)
            self._props = msgspec.json.decode(answer.body, type=_Props)

    def capabilities(self) -> frozenset[str]:
        return CAPABILITIES if self._props else CAPABILITIES - LACKING_IN_PYTHON

    async def context_length(self) -> int | None:
        """Tokens that one request may have; llama-cpp-python's server does not tell."""
        if self._props is None:
            await self.check()
        return self._props.default_generation_settings.n_ctx if self._props else None

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One POST. What goes on with an answer is always streamed: only there llama-server leaves its beginning out."""
        if on_text is None and _goes_on(request):
            on_text = _pass_over
        return await super().complete(_without_own_penalty(request), on_text)


def _goes_on(request: Request) -> bool:
    prompt = request.prompt
    return not isinstance(prompt, str) and bool(prompt) and prompt[-1].role == "assistant"


def _pass_over(piece: str) -> None:
    pass


def _wire(target: Target, options: LlamaCppOptions) -> Wire:
    body: dict[str, object] = {"cache_prompt": options.cache_prompt}
    if options.grammar is not None:
        body["grammar"] = options.grammar
    extra_body = msgspec.json.encode(body).decode()
    return Wire(target.model.name, OpenAIOptions(timeout=options.timeout, extra_body=extra_body), _DIALECT)


def _without_own_penalty(request: Request) -> Request:
    """`request` with a penalty of 1 where it asks for none: llama-cpp-python's server would take 1.1, greedy or not."""
    if request.sampling.repetition_penalty is not None:
        return request
    sampling = msgspec.structs.replace(request.sampling, repetition_penalty=1.0)
    return msgspec.structs.replace(request, sampling=sampling)
