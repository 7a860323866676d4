"""SkillForge backend `vllm`: a running vLLM server, one that is started for the run, or vLLM's engine without a server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Backend, Client, Finding, PartOptions, Request, Server, Target, hookimpl
from skillforge.parts.part import OPERATIONAL
from skillforge_openai.common_options import ApiKeyEnv, ReasoningTagsOption, Timeout

SKILLFORGE_CONTRACT = 1

_CAPABILITIES_OFFLINE = frozenset(
    {
        "chat", "text", "continue", "stream", "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed",
        "repetition_penalty", "presence_penalty", "frequency_penalty", "logprobs", "prompt_logprobs", "token_ids",
        "json_schema",
    }
)  # fmt: skip
"""Tools are not among them: the parsers of their calls belong to vLLM's server."""


class VllmOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the vllm backend."""

    mode: Annotated[
        Literal["server", "offline"],
        Meta(
            description="server: the one at --base-url, or, without that, one that is started and stopped with the run; "
            "offline: vLLM's engine without a server.",
            extra=OPERATIONAL,
        ),
    ] = "server"
    python: Annotated[
        str | None,
        Meta(
            description="Python of the environment that has vLLM, to start it; unset: this one, else that of the program "
            "`vllm`.",
            extra=OPERATIONAL,
        ),
    ] = None
    gpus: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="GPUs that the weights are spread over (tensor parallel); unset: one.", extra=OPERATIONAL),
    ] = None
    server_args: Annotated[
        str | None,
        Meta(
            description="More arguments of `vllm serve`, such as '--max-model-len 8192'; offline mode takes them too."
        ),
    ] = None
    start_timeout: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="Seconds that vLLM may take until it is ready.", extra=OPERATIONAL),
    ] = 1800.0
    log: Annotated[
        str | None,
        Meta(
            description="File that the output of a vLLM that is started is added to; unset: one in the folder for temporary "
            "files, kept where vLLM fails.",
            extra=OPERATIONAL,
        ),
    ] = None
    api_key_env: ApiKeyEnv = "VLLM_API_KEY"
    timeout: Timeout = 600.0
    reasoning_tags: ReasoningTagsOption = "<think>,</think>"
    n: Annotated[
        Annotated[int, Meta(ge=1, le=128)],
        Meta(
            description="Samples of a problem that one request asks a server for; above 1 there are no seeds and no streams.",
            extra=OPERATIONAL,
        ),
    ] = 1
    extra_body: Annotated[
        str | None,
        Meta(description='A JSON object whose fields each request to a server gets too, such as {"priority": 1}.'),
    ] = None


class VllmBackend(Backend):
    """Speaks to vLLM's server through the backend openai, or to its engine in a process of its own."""

    name = "vllm"
    summary = "vLLM: a running server, one started for the run, or its engine without a server."
    source = "https://github.com/vllm-project/vllm"
    Options = VllmOptions

    def capabilities(self, options: VllmOptions) -> frozenset[str]:
        if options.mode == "offline":
            return _CAPABILITIES_OFFLINE
        from skillforge_vllm.serve import OPENAI, openai_options

        return OPENAI.capabilities(openai_options(options))

    def open(self, target: Target, options: VllmOptions) -> AbstractAsyncContextManager[Client]:
        from skillforge_vllm.ways import Way, way_of

        way = way_of(target, options)
        if way is Way.OFFLINE:
            from skillforge_vllm.offline import open_offline

            return open_offline(target, options)
        if way is Way.STARTED:
            from skillforge_vllm.started import open_started

            return open_started(target, options)
        from skillforge_vllm.client import open_running

        return open_running(target, options)

    def preview(self, request: Request, target: Target, options: VllmOptions) -> str:
        from skillforge_vllm.preview import preview

        return preview(request, target, options)

    def server(self, target: Target, options: VllmOptions, host: str, port: int) -> Server:
        from skillforge_vllm.serve import server_of
        from skillforge_vllm.ways import refuse_useless_to_serve

        refuse_useless_to_serve(options)
        return server_of(target, options, host, port)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_vllm.diagnosis import diagnosis

        return diagnosis()


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `vllm`."""
    return VllmBackend()
