"""trtllm-serve speaks the OpenAI protocol, so the backend openai talks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge.options import refuse_useless
from skillforge_openai import OpenAIBackend, OpenAIOptions
from skillforge_openai.dialect import SAMPLING_OF_VLLM, Dialect

if TYPE_CHECKING:
    from skillforge_trtllm import TrtllmOptions

OPENAI = OpenAIBackend(Dialect(sampling=SAMPLING_OF_VLLM, text_schema="response_format", health="/health"))


def openai_options(options: TrtllmOptions) -> OpenAIOptions:
    """The options of the backend openai for trtllm-serve."""
    return OpenAIOptions(timeout=options.timeout)


def refuse_those_of_triton(options: TrtllmOptions) -> None:
    """Raises UsageError for an option that has no meaning for trtllm-serve."""
    refuse_useless(options, ("model_name",), "backend.", "for trtllm-serve, which has one model")
