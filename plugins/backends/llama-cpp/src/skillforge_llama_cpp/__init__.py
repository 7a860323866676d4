"""SkillForge backend `llama-cpp`: GGUF models through llama.cpp, by its servers or in this process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from msgspec import Meta

from skillforge import Backend, Client, Finding, PartOptions, Request, Server, Target, hookimpl
from skillforge.options import refuse_useless
from skillforge.parts.part import OPERATIONAL
from skillforge_openai.common_options import ApiKeyEnv, Timeout

SKILLFORGE_CONTRACT = 1

_CAPABILITIES = frozenset(
    {
        "chat", "text", "continue", "tools", "stream", "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop",
        "seed", "repetition_penalty", "presence_penalty", "frequency_penalty", "logprobs", "token_ids", "json_schema",
    }
)  # fmt: skip
"""What one of the ways can do. What the server or the library can do is known once it is open."""

_OF_LOADING = frozenset({"context", "gpu_layers", "threads"})
_OF_REQUESTS = frozenset({"grammar", "cache_prompt"})
_OF_CLIENTS = frozenset({"api_key_env", "timeout"})


class LlamaCppOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the llama-cpp backend."""

    context: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Tokens of prompt and answer together, where this loads the model; unset: the model's own."),
    ] = None
    gpu_layers: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Layers that go to a GPU, where this loads the model; unset: all, or what llama-server finds room for.",
            extra=OPERATIONAL,
        ),
    ] = None
    threads: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="CPU threads, where this loads the model; unset: half of the cores.", extra=OPERATIONAL),
    ] = None
    grammar: Annotated[
        str | None,
        Meta(description="A grammar in llama.cpp's GBNF that each answer must follow, in place of a schema."),
    ] = None
    cache_prompt: Annotated[
        bool,
        Meta(
            description="Begin a prompt with what was computed for the one before. Off: the same request has the same "
            "numbers, whatever was asked before it."
        ),
    ] = True
    api_key_env: ApiKeyEnv = "LLAMA_API_KEY"
    timeout: Timeout = 600.0


class LlamaCppBackend(Backend):
    """Asks the server at --base-url; without one, loads the GGUF file that --model names into this process."""

    name = "llama-cpp"
    summary = "GGUF models through llama.cpp: llama-server, llama-cpp-python's server, or in this process."
    source = "https://github.com/ggml-org/llama.cpp"
    Options = LlamaCppOptions

    def capabilities(self, options: LlamaCppOptions) -> frozenset[str]:
        return _CAPABILITIES

    def open(self, target: Target, options: LlamaCppOptions) -> AbstractAsyncContextManager[Client]:
        _refuse_useless(target, options)
        if target.base_url:
            from skillforge_llama_cpp.served import open_server

            return open_server(target, options)
        from skillforge_llama_cpp.library import open_library

        return open_library(target, options)

    def preview(self, request: Request, target: Target, options: LlamaCppOptions) -> str:
        _refuse_useless(target, options)
        if target.base_url:
            from skillforge_llama_cpp.served import preview
        else:
            from skillforge_llama_cpp.library import preview
        return preview(request, target, options)

    def server(self, target: Target, options: LlamaCppOptions, host: str, port: int) -> Server:
        from skillforge_llama_cpp.programs import server

        refuse_useless(options, _OF_CLIENTS | _OF_REQUESTS, "backend.", "for `skillforge serve`")
        return server(target, options, host, port)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_llama_cpp.programs import findings

        return findings()


def _refuse_useless(target: Target, options: LlamaCppOptions) -> None:
    """Raises UsageError for an option that has no meaning for a server that runs, or in this process."""
    if target.base_url:
        refuse_useless(options, _OF_LOADING, "backend.", "with --base-url, since that server has loaded its model")
    else:
        refuse_useless(options, _OF_CLIENTS | {"grammar"}, "backend.", "without a server (--base-url)")


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `llama-cpp`."""
    return LlamaCppBackend()
