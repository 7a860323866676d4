"""Call: requests as the arguments of LiteLLM's functions. They are those of the OpenAI protocol, whoever is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from skillforge import Request, Target
from skillforge_openai import OpenAIOptions
from skillforge_openai.wire import TEXT, Wire, endpoint

if TYPE_CHECKING:
    from skillforge_litellm import LiteLLMOptions


_OWN_SERVERS = ("openai/", "text-completion-openai/")


class Call:
    """Writes the arguments for one model; its `wire` reads the answers."""

    def __init__(self, target: Target, options: LiteLLMOptions) -> None:
        self.wire = Wire(target.model.name, OpenAIOptions(reasoning_tags=options.reasoning_tags))
        self._shared: dict[str, Any] = {
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,
            "timeout": options.timeout,
        }
        if target.base_url is not None:
            self._shared["api_base"] = target.base_url
            if target.model.name.startswith(_OWN_SERVERS) and not os.environ.get("OPENAI_API_KEY"):
                self._shared["api_key"] = "none"  # a server of one's own; without any, the library refuses to ask

    def function(self, request: Request) -> str:
        """The name of the function to call."""
        return "atext_completion" if endpoint(request) == TEXT else "acompletion"

    def arguments(self, request: Request, *, streamed: bool = False) -> dict[str, Any]:
        """The arguments of the call. Raises RequestRefused or UsageError for what no request can hold."""
        return msgspec.json.decode(self.wire.body(request, streamed=streamed), type=dict[str, Any]) | self._shared

    def preview(self, request: Request) -> str:
        """The call as text."""
        shown = msgspec.json.format(msgspec.json.encode(self.arguments(request)), indent=2).decode()
        return f"litellm.{self.function(request)}\n{shown}"
