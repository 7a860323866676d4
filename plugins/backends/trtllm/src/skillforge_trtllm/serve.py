"""trtllm-serve speaks the OpenAI protocol, so the backend openai talks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge_openai import OpenAIBackend, OpenAIOptions

if TYPE_CHECKING:
    from skillforge_trtllm import TrtllmOptions

OPENAI = OpenAIBackend()


def openai_options(options: TrtllmOptions) -> OpenAIOptions:
    """The options of the backend openai for trtllm-serve, which takes top_k, min_p and repetition_penalty too."""
    return OpenAIOptions(timeout=options.timeout, extra_sampling=True)
