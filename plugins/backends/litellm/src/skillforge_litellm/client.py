"""Client: one model of one provider, asked through LiteLLM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from skillforge import Client, Completion, Request, RequestFailed, SkillForgeError, Target
from skillforge_litellm.call import Call
from skillforge_litellm.faults import fault, no_key, no_provider

if TYPE_CHECKING:
    from skillforge_litellm import LiteLLMOptions

_PARAMETERS = {
    "temperature": {"temperature"},
    "top_p": {"top_p"},
    "max_tokens": {"max_tokens"},
    "stop": {"stop"},
    "seed": {"seed"},
    "presence_penalty": {"presence_penalty"},
    "frequency_penalty": {"frequency_penalty"},
    "logprobs": {"logprobs", "top_logprobs"},
    "tools": {"tools"},
    "json_schema": {"response_format"},
    "stream": {"stream"},
}
"""Capabilities by the parameters that LiteLLM must know for a provider."""

_TEXT_ONLY = "text-completion-openai"
"""The provider that is sent raw text as it is, and chats only as a text of LiteLLM's making."""


_open: list[Client] = []
"""Clients that are open in this process: the library's connections are for all of them."""


@contextlib.asynccontextmanager
async def open_client(target: Target, options: LiteLLMOptions) -> AsyncIterator[Client]:
    """Import the library, which takes seconds, and give a client; connections are closed when the last client is left."""
    litellm = await asyncio.to_thread(_imported)
    client = LiteLLMClient(litellm, Call(target, options), target)
    _open.append(client)
    try:
        yield client
    finally:
        _open.remove(client)
        if not _open:
            await litellm.close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()  # or it would ask through what is closed


def _imported() -> Any:
    """The library, with what it does of its own accord turned off."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import downloads a list of prices
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # else it reads keys from a .env in the current folder
    import litellm

    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    return litellm


class LiteLLMClient(Client):
    """A provider, asked for one model."""

    def __init__(self, litellm: Any, call: Call, target: Target) -> None:
        """Raises BackendUnusable for a provider that the library does not know."""
        self._litellm = litellm
        self._call = call
        self._name = target.model.name
        self._base_url = target.base_url
        try:
            self._model, self._provider, _, _ = litellm.get_llm_provider(self._name)
        except litellm.exceptions.BadRequestError:
            raise no_provider(self._name) from None

    async def check(self) -> None:
        """Whether there is a key, where the provider has nothing else to let us in with. Nothing is asked."""
        missing = self._litellm.validate_environment(self._name).get("missing_keys") or []
        if missing and self._base_url is None and all(name.endswith("_API_KEY") for name in missing):
            raise no_key(self._name, missing)

    def capabilities(self) -> frozenset[str]:
        """What LiteLLM has a parameter for with this provider and model."""
        known = set(
            self._litellm.get_supported_openai_params(model=self._model, custom_llm_provider=self._provider) or ()
        )
        able = frozenset(name for name, parameters in _PARAMETERS.items() if parameters <= known)
        if self._provider == _TEXT_ONLY:
            return able - {"tools", "json_schema"} | {"text"}
        return able | ({"chat", "text"} if self._takes_text() else {"chat"})

    def _takes_text(self) -> bool:
        """Whether raw text goes as it is; where it does not, LiteLLM makes it a user's message, which is something else."""
        return self._provider == "openai" and self._model not in self._litellm.open_ai_chat_completion_models

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One call, streamed where somebody listens."""
        stream = None if on_text is None else self._call.wire.stream(request, on_text)
        function = getattr(self._litellm, self._call.function(request))
        arguments = self._call.arguments(request, streamed=stream is not None)
        try:
            answer = await function(**arguments)
            if stream is None:
                return self._call.wire.completion(_json(answer), request)
            async for piece in answer:
                stream.add(_json(piece))
            if not _has_ended(answer):
                raise RequestFailed("the provider ended the stream of an answer in its middle")
        except SkillForgeError:
            raise
        except Exception as error:
            raise fault(self._litellm, error, self._name, request) from error
        return stream.completion()


def _has_ended(stream: Any) -> bool:
    """Whether the provider said why the answer ended: for one that was cut off, LiteLLM says `stop` of its own accord."""
    inner = getattr(stream, "completion_stream", stream)
    source = inner if hasattr(inner, "received_finish_reason") else stream
    reasons = ("received_finish_reason", "intermittent_finish_reason")
    return any(getattr(source, name, "not told") is not None for name in reasons)


def _json(answer: Any) -> bytes:
    """An answer as the JSON that an OpenAI server would have sent."""
    try:
        return bytes(answer.model_dump_json(), "utf-8")
    except ValueError as error:
        raise RequestFailed("the answer holds what JSON cannot") from error
