"""SkillForge backend `transformers`: runs a model's weights in this process, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal

from msgspec import Meta

from skillforge import Backend, Client, Finding, PartOptions, Request, Server, Target, hookimpl
from skillforge.parts.part import OPERATIONAL

SKILLFORGE_CONTRACT = 1

_CAPABILITIES = frozenset(
    {
        "chat", "text", "continue", "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed", "logprobs",
        "repetition_penalty", "presence_penalty", "frequency_penalty", "token_ids", "stream",
    }
)  # fmt: skip


class TransformersOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the transformers backend."""

    device: Annotated[
        str,
        Meta(
            description="Where the model runs: auto (cuda where there is one, else cpu), cpu, cuda, cuda:1 …",
            extra=OPERATIONAL,
        ),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Meta(description="Number format of the weights; auto: the one that they are stored in."),
    ] = "auto"
    batch_size: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="Most requests that are generated together.", extra=OPERATIONAL)
    ] = 32
    prefix_cache: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(
            description="MiB of earlier prompts' keys and values to keep for prompts that begin alike; 0: none.",
            extra=OPERATIONAL,
        ),
    ] = 1024
    threads: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="CPU threads of torch; unset: its own choice.", extra=OPERATIONAL),
    ] = None
    adapter: Annotated[
        str | None, Meta(description="LoRA adapter to add to the model: a folder that PEFT wrote, or a hub id.")
    ] = None
    quantization: Annotated[
        Literal["int8", "nf4"] | None,
        Meta(description="Quantize the weights to 8 or 4 bits while loading, with bitsandbytes; unset: do not."),
    ] = None
    attn_implementation: Annotated[
        str | None,
        Meta(description="Attention code, such as sdpa, eager or flash_attention_2; unset: the model's default."),
    ] = None
    trust_remote_code: Annotated[
        bool, Meta(description="Run Python code that comes with the model. It can do anything that you can do.")
    ] = False
    revision: Annotated[
        str | None, Meta(description="Branch, tag or commit of a model from the hub; unset: its main branch.")
    ] = None


class TransformersBackend(Backend):
    """Loads weights (a folder or a hub id) and generates in batches in a thread of its own."""

    name = "transformers"
    summary = "Local models on CPU or GPU through Hugging Face transformers, batched."
    source = "https://github.com/huggingface/transformers"
    default_for = "weights"
    Options = TransformersOptions

    def capabilities(self, options: Any) -> frozenset[str]:
        return _CAPABILITIES

    def open(self, target: Target, options: TransformersOptions) -> AbstractAsyncContextManager[Client]:
        from skillforge_transformers.client import open_client

        return open_client(target, options)

    def preview(self, request: Request, target: Target, options: TransformersOptions) -> str:
        from skillforge_transformers.loading import load_texts

        return load_texts(target, options).render(request.prompt)

    def server(self, target: Target, options: TransformersOptions, host: str, port: int) -> Server:
        from skillforge_transformers.serving import server

        return server(target, options, host, port)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_transformers.serving import diagnose

        return list(diagnose())


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `transformers`."""
    return TransformersBackend()
