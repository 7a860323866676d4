"""vLLM's server speaks the OpenAI protocol and more, so the backend openai talks to it; and how such a server is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge import Server, Target
from skillforge.server_command import url_of
from skillforge_openai import OpenAIBackend, OpenAIOptions
from skillforge_openai.dialect import SAMPLING_OF_VLLM, Dialect
from skillforge_vllm.arguments import engine_arguments, environment
from skillforge_vllm.installation import python_with_vllm

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

DIALECT = Dialect(
    sampling=SAMPLING_OF_VLLM,
    continues=True,
    token_ids=True,
    prompt_logprobs=True,
    text_schema="structured_outputs",
    health="/health",
    version=("vllm", "/version"),
)
OPENAI = OpenAIBackend(DIALECT)


def openai_options(options: VllmOptions) -> OpenAIOptions:
    """The options of the backend openai for vLLM's server."""
    return OpenAIOptions(
        api_key_env=options.api_key_env,
        timeout=options.timeout,
        reasoning_tags=options.reasoning_tags,
        n=options.n,
        extra_body=options.extra_body,
    )


def server_of(target: Target, options: VllmOptions, host: str, port: int) -> Server:
    """How a server of the model of `target` is started. Raises UsageError where there is no vLLM."""
    model = target.model
    # The module behind the program `vllm`, which not every environment has beside its Python.
    program = (python_with_vllm(options.python), "-m", "vllm.entrypoints.cli.main", "serve")
    address = ("--host", host, "--port", str(port), "--served-model-name", model.name)
    url = url_of(host, port)
    return Server(
        command=(*program, model.location, *address, *engine_arguments(options)),
        env=environment(target),
        base_url=f"{url}/v1",
        health=f"{url}/health",
        model=model.name,
    )
