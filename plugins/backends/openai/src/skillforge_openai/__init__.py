"""SkillForge backend `openai`: any server that speaks the OpenAI protocol (vLLM, SGLang, llama.cpp, Ollama, OpenAI …)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Backend, Client, PartOptions, Request, Target, hookimpl
from skillforge.parts.part import OPERATIONAL

SKILLFORGE_CONTRACT = 1

_CAPABILITIES = frozenset(
    {
        "chat", "text", "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty",
        "logprobs", "tools",
    }
)  # fmt: skip
_EXTRA_SAMPLING = frozenset({"top_k", "min_p", "repetition_penalty"})


class OpenAIOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the openai backend."""

    api_key_env: Annotated[
        str,
        Meta(
            description="Environment variable that holds the server's key; where it is not set, no key is sent.",
            extra=OPERATIONAL,
        ),
    ] = "OPENAI_API_KEY"
    timeout: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="Seconds to wait for one answer, from when its request is sent.", extra=OPERATIONAL),
    ] = 600.0
    extra_sampling: Annotated[
        bool,
        Meta(
            description="The server understands top_k, min_p and repetition_penalty, as vLLM and SGLang do.",
            extra=OPERATIONAL,
        ),
    ] = False
    continue_final_message: Annotated[
        bool,
        Meta(
            description="The server goes on with a chat that ends with an assistant's message, as vLLM and SGLang do.",
            extra=OPERATIONAL,
        ),
    ] = False
    reasoning_tags: Annotated[
        str | None,
        Meta(description="Text between these two, split by a comma, is kept apart as reasoning; empty: nothing is."),
    ] = "<think>,</think>"
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        Meta(description="What the limit is called in chat requests; OpenAI's newer models want the longer name."),
    ] = "max_tokens"
    extra_body: Annotated[
        str | None,
        Meta(description='A JSON object whose fields each request gets too, such as {"cache_prompt": true}.'),
    ] = None


class OpenAIBackend(Backend):
    """Sends chat messages to {base}/chat/completions and raw text to {base}/completions."""

    name = "openai"
    summary = "Any server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, Ollama, OpenAI itself."
    source = "https://platform.openai.com/docs/api-reference"
    Options = OpenAIOptions
    default_for = "url"

    def capabilities(self, options: OpenAIOptions) -> frozenset[str]:
        extra = _EXTRA_SAMPLING if options.extra_sampling else frozenset()
        return _CAPABILITIES | extra | ({"continue"} if options.continue_final_message else frozenset())

    def open(self, target: Target, options: OpenAIOptions) -> AbstractAsyncContextManager[Client]:
        from skillforge_openai.address import Address
        from skillforge_openai.client import open_client
        from skillforge_openai.wire import Wire

        return open_client(Address.of(target, options.api_key_env), Wire(target.model.name, options), options.timeout)

    def preview(self, request: Request, target: Target, options: OpenAIOptions) -> str:
        from skillforge_openai.address import Address
        from skillforge_openai.wire import Wire

        return Wire(target.model.name, options).preview(request, Address.of(target, options.api_key_env).url)


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `openai`."""
    return OpenAIBackend()
