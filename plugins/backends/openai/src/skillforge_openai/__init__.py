"""SkillForge backend `openai`: any server that speaks the OpenAI protocol (vLLM, SGLang, llama.cpp, Ollama, OpenAI …)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from skillforge import Backend, Client, Finding, PartOptions, Request, Target, UsageError, hookimpl
from skillforge.parts.part import OPERATIONAL
from skillforge_openai.common_options import ApiKeyEnv, ReasoningTagsOption, Timeout
from skillforge_openai.dialect import PLAIN, Dialect

if TYPE_CHECKING:
    from skillforge_openai.address import Address
    from skillforge_openai.responses import ResponsesWire
    from skillforge_openai.wire import Wire

SKILLFORGE_CONTRACT = 1

_OF_CHAT = frozenset(
    {
        "chat", "text", "stream", "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty",
        "frequency_penalty", "logprobs", "tools", "json_schema",
    }
)  # fmt: skip


_OF_RESPONSES = frozenset({"chat", "stream", "temperature", "top_p", "max_tokens", "logprobs", "tools", "json_schema"})


class OpenAIOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the openai backend."""

    api_key_env: ApiKeyEnv = "OPENAI_API_KEY"
    timeout: Timeout = 600.0
    api: Annotated[
        Literal["chat", "responses"],
        Meta(
            description="chat: /chat/completions, and /completions for raw text; responses: OpenAI's Responses API, which "
            "has no stop strings, seeds or penalties.",
        ),
    ] = "chat"
    batch: Annotated[
        bool,
        Meta(
            description="Send requests as files that the server works off within a day, at a lower price (Batch API).",
            extra=OPERATIONAL,
        ),
    ] = False
    batch_dir: Annotated[
        str | None,
        Meta(
            description="Folder that notes which batches were submitted. Default: below the user's cache directory.",
            extra=OPERATIONAL,
        ),
    ] = None
    n: Annotated[
        Annotated[int, Meta(ge=1, le=128)],
        Meta(
            description="Samples of a problem that one request asks for: their prompt is paid for once. Above 1 there are no "
            "seeds, and of their tokens the server tells the sum alone.",
            extra=OPERATIONAL,
        ),
    ] = 1
    azure_api_version: Annotated[
        str | None,
        Meta(
            description="The server is Azure OpenAI, and this is the version of its API: 'v1', or a date such as "
            "2024-10-21, with which --model names a deployment.",
            extra=OPERATIONAL,
        ),
    ] = None
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
    token_ids: Annotated[
        bool,
        Meta(
            description="The server takes prompts as ids of tokens, and tells the ids of what it read and wrote, as vLLM "
            "does.",
            extra=OPERATIONAL,
        ),
    ] = False
    reasoning_tags: ReasoningTagsOption = "<think>,</think>"
    max_tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        Meta(description="What the limit is called in chat requests; OpenAI's newer models want the longer name."),
    ] = "max_tokens"
    extra_body: Annotated[
        str | None,
        Meta(description='A JSON object whose fields each request gets too, such as {"cache_prompt": true}.'),
    ] = None


class OpenAIBackend(Backend):
    """Sends chat messages to {base}/chat/completions and raw text to {base}/completions.

    A backend for one kind of server builds on this one with the `dialect` of that server.
    """

    name = "openai"
    summary = "Any server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, Ollama, OpenAI itself."
    source = "https://platform.openai.com/docs/api-reference"
    Options = OpenAIOptions
    default_for = "url"

    def __init__(self, dialect: Dialect = PLAIN) -> None:
        self._dialect = dialect

    def capabilities(self, options: OpenAIOptions) -> frozenset[str]:
        dialect = self._dialect.with_options(options)
        without = {"stream"} if options.batch else {"stream", "seed"} if options.n > 1 else set()
        if options.api == "responses":
            return frozenset(_OF_RESPONSES | dialect.sampling.keys()) - without
        return (_OF_CHAT | dialect.capabilities()) - without

    def open(self, target: Target, options: OpenAIOptions) -> AbstractAsyncContextManager[Client]:
        from skillforge_openai.wire import Wire

        address, wire = _address(target, options), self._wire(target, options)
        if options.batch:
            from skillforge_openai.batch_client import open_batch_client
            from skillforge_openai.batch_records import folder_for

            folder = folder_for(options.batch_dir, address.url, target.model.name)
            return open_batch_client(address, wire, options.timeout, self.capabilities(options), folder)
        if options.n > 1 and isinstance(wire, Wire):
            from skillforge_openai.many_client import open_many_client

            return open_many_client(address, wire, options.timeout, self.capabilities(options), options.n)
        from skillforge_openai.client import open_client

        return open_client(address, wire, options.timeout, self.capabilities(options))

    def preview(self, request: Request, target: Target, options: OpenAIOptions) -> str:
        from skillforge_openai.wire import Wire, shown

        address, wire = _address(target, options), self._wire(target, options)
        body = wire.body(request, n=options.n) if isinstance(wire, Wire) else wire.body(request)
        sent = shown(address.at(wire.endpoint(request)), body)
        return f"in a file for POST {address.at('/batches')}, as a line for\n{sent}" if options.batch else sent

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_openai.diagnosis import diagnosis

        return diagnosis(OpenAIOptions().api_key_env)

    def _wire(self, target: Target, options: OpenAIOptions) -> Wire | ResponsesWire:
        from skillforge_openai.responses import ResponsesWire
        from skillforge_openai.wire import Wire

        if options.batch and options.n > 1:
            raise UsageError("a batch asks for each sample by itself", "leave out -o backend.n, or backend.batch")
        kind = ResponsesWire if options.api == "responses" else Wire
        return kind(target.model.name, options, self._dialect)


def _address(target: Target, options: OpenAIOptions) -> Address:
    """Where the server is. Raises UsageError for a URL or a key that cannot be used."""
    from skillforge_openai.address import Address
    from skillforge_openai.azure import AzureAddress

    if options.azure_api_version is None:
        return Address.of(target, options.api_key_env)
    return AzureAddress.of_target(target, options.api_key_env, options.azure_api_version)


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `openai`."""
    return OpenAIBackend()
