"""SkillForge backend `trtllm`: TensorRT-LLM behind NVIDIA Triton (gRPC or HTTP), and `trtllm-serve`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Backend, Client, Finding, PartOptions, Request, Server, Target, hookimpl
from skillforge_openai.common_options import Timeout

SKILLFORGE_CONTRACT = 1


class TrtllmOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the trtllm backend."""

    server: Annotated[
        Literal["triton", "trtllm-serve"],
        Meta(description="What serves: Triton with a TensorRT-LLM model, or trtllm-serve with its OpenAI protocol."),
    ] = "triton"
    model_name: Annotated[
        str | None,
        Meta(
            description="Triton's model to ask; unset: the one that --model names, else the first that is there of "
            "ensemble, tensorrt_llm_bls, tensorrt_llm."
        ),
    ] = None
    timeout: Timeout = 600.0


class TrtllmBackend(Backend):
    """Asks a model of a Triton server by the inputs that it says it has; hands trtllm-serve to the backend openai."""

    name = "trtllm"
    summary = "TensorRT-LLM behind NVIDIA Triton (gRPC or HTTP), or trtllm-serve."
    source = "https://github.com/NVIDIA/TensorRT-LLM/tree/main/triton_backend"
    Options = TrtllmOptions

    def capabilities(self, options: TrtllmOptions) -> frozenset[str]:
        if options.server == "triton":
            from skillforge_trtllm.interface import CAPABILITIES

            return CAPABILITIES
        from skillforge_trtllm.serve import OPENAI, openai_options

        return OPENAI.capabilities(openai_options(options))

    def open(self, target: Target, options: TrtllmOptions) -> AbstractAsyncContextManager[Client]:
        if options.server == "triton":
            from skillforge_trtllm.client import open_client

            return open_client(target, options)
        from skillforge_trtllm.serve import OPENAI, openai_options, refuse_those_of_triton

        refuse_those_of_triton(options)
        return OPENAI.open(target, openai_options(options))

    def preview(self, request: Request, target: Target, options: TrtllmOptions) -> str:
        if options.server == "triton":
            from skillforge_trtllm.preview import preview

            return preview(request, target, options)
        from skillforge_trtllm.serve import OPENAI, openai_options, refuse_those_of_triton

        refuse_those_of_triton(options)
        return OPENAI.preview(request, target, openai_options(options))

    def server(self, target: Target, options: TrtllmOptions, host: str, port: int) -> Server:
        from skillforge_trtllm.serving import server

        return server(target, options, host, port)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_trtllm.serving import diagnose

        return list(diagnose())


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `trtllm`."""
    return TrtllmBackend()
