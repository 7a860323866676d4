"""SkillForge backend `litellm`: the providers that LiteLLM knows, by one library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec

from skillforge import Backend, BackendUnusable, Client, Finding, PartOptions, Request, Target, hookimpl
from skillforge_openai.common_options import ReasoningTagsOption, Timeout

SKILLFORGE_CONTRACT = 1

_CAPABILITIES = frozenset(
    {
        "chat", "text", "stream", "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty",
        "frequency_penalty", "logprobs", "tools", "json_schema",
    }
)  # fmt: skip
"""What some provider can do. What that of the model can do is known once it is open."""

_INSTALL = "pip install 'skillforge-litellm[library]', best into an environment of its own"


class LiteLLMOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the litellm backend."""

    timeout: Timeout = 600.0
    reasoning_tags: ReasoningTagsOption = "<think>,</think>"


class LiteLLMBackend(Backend):
    """Asks the provider that --model names before its first slash, with the key in that provider's own variable."""

    name = "litellm"
    summary = "The providers that LiteLLM knows (Anthropic, Gemini, Bedrock, Mistral …), by one library."
    source = "https://docs.litellm.ai/docs/providers"
    Options = LiteLLMOptions

    def capabilities(self, options: LiteLLMOptions) -> frozenset[str]:
        return _CAPABILITIES

    def open(self, target: Target, options: LiteLLMOptions) -> AbstractAsyncContextManager[Client]:
        if find_spec("litellm") is None:
            raise BackendUnusable("LiteLLM is not installed", _INSTALL)
        from skillforge_litellm.client import open_client

        return open_client(target, options)

    def preview(self, request: Request, target: Target, options: LiteLLMOptions) -> str:
        from skillforge_litellm.call import Call

        return Call(target, options).preview(request)

    def diagnose(self) -> Sequence[Finding]:
        if find_spec("litellm") is None:
            return (Finding("litellm", "missing", "not installed", _INSTALL),)
        return (Finding("litellm", "ok"),)


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `litellm`."""
    return LiteLLMBackend()
