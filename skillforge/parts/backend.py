"""Backend: turns a request into a completion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import msgspec

from skillforge.errors import UsageError
from skillforge.parts.code import ToolProtocol
from skillforge.parts.model import ModelRef
from skillforge.parts.part import Part
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Prompt, ToolCall


class Request(msgspec.Struct, frozen=True):
    """One completion to make. `seed` is this request's own; `sampling.seed`, the run's, is not to be sent."""

    prompt: Prompt
    """A chat prompt that ends with an assistant's message is to be continued, by a backend capable of `continue`."""

    sampling: Sampling
    seed: int | None = None
    tools: tuple[ToolProtocol, ...] = ()
    """Functions that the model may call, for a backend capable of `tools`."""

    whole: bool = False
    """Whether private reasoning stays in the completion's text, where a tool loop has to send all of it again."""

    prompt_ids: tuple[int, ...] | None = None
    """The prompt as the ids of its tokens, which are sent in place of `prompt`, to a backend capable of `token_ids`."""


MOST_TOKENS = 2**31 - 1
"""A count of tokens above this is nonsense of a server."""


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came back."""

    text: str
    """The answer, without private reasoning; empty where the model was cut off while it still reasoned."""

    reasoning: str | None = None
    finish_reason: str | None = None
    """`stop`, `length`, `tool_calls`, or the server's own word. Unclosed reasoning counts as `length`."""

    stop: str | None = None
    """The stop string that ended it, which is no part of `text`; empty where the model ended by itself, None where the
    server does not tell."""

    tool_calls: tuple[ToolCall, ...] = ()

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_ids: tuple[int, ...] | None = None
    """Ids of the prompt's tokens, where `sampling.token_ids` asks for them."""

    token_ids: tuple[int, ...] | None = None
    """Ids of the generated tokens, with those of a stop string and of the model's end, where asked for."""

    first_token: float | None = None
    """Seconds from sending the request to the first piece of the answer, where that is told."""

    logprobs: list[dict[str, object]] | None = None
    """Per generated token: `{"token": str, "logprob": float, "top": {token: logprob}}`."""

    prompt_logprobs: list[dict[str, object]] | None = None
    """The same of each token of the prompt but the first, before which nothing stands."""

    cached: bool = False
    """Whether it was kept from an earlier request, so that this one took no time and was not sent."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is started, and known to be there."""

    command: tuple[str, ...]
    """The program and its arguments; it stays in the foreground, and ends when it is sent SIGTERM."""

    env: dict[str, str] = {}
    """Variables that it needs, over those of this process."""

    base_url: str
    """What clients are given as --base-url."""

    health: str
    """URL that answers 200 once requests are taken."""

    model: str
    """The name that requests give the model."""


class Target(msgspec.Struct, frozen=True):
    """Where requests go: the model, and the server's address where there is a server."""

    model: ModelRef
    base_url: str | None = None


class Client(ABC):
    """An open connection to a server, or a loaded model. Made by `Backend.open`, used by many tasks at once."""

    default_concurrency: int | None = None
    """Requests to keep in flight where the user sets no number; None: adapt to the server."""

    async def check(self) -> None:
        """Find out, before anything is asked, whether requests can succeed.

        Raises BackendUnusable for an unreachable server, a wrong key or a model that is not there. What cannot be
        found out is not an error.
        """

    def capabilities(self) -> frozenset[str] | None:
        """What of the backend's capabilities this server and model have, known after `check`; None: all of them."""
        return None

    async def ready(self) -> bool:
        """Whether requests are taken now, found out in a moment: what a server that was lost is asked until it is back."""
        return True

    async def models(self) -> Sequence[str]:
        """The names of the models that are served; empty where that is not told."""
        return ()

    async def context_length(self) -> int | None:
        """Tokens of prompt and answer together that the model takes; None where that is not told."""
        return None

    async def versions(self) -> Mapping[str, str]:
        """Names and versions of the software that generates, and what it runs on, as far as that is told; known after
        `check`. For run.json and reports, such as `{"vllm": "0.11.0"}`."""
        return {}

    def uncached(self) -> Client:
        """The client to ask where an answer has to come from the model itself, and not from what was kept."""
        return self

    @abstractmethod
    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """Make one completion, once: retries and concurrency are the caller's.

        `on_text` is told each further piece of the answer while it comes, by a backend capable of `stream`.

        Raises RequestFailed (can pass), RequestRefused (permanent, this request only; ContextOverflow where the prompt is
        too long), BackendUnusable (permanent, every request) or UsageError (what is asked cannot be sent at all, such as
        messages to a model without a chat template).

        Cancelling the task must free what the request holds.
        """


class Backend(Part):
    """A way to run models: a server's protocol or a library."""

    kind = "backend"

    default_for: Literal["url", "weights"] | None = None
    """What it is chosen for where the user names no backend: a --base-url, or a --model that is a folder or hub id."""

    def capabilities(self, options: Any) -> frozenset[str]:
        """What requests may ask for; the rest is refused before a run starts.

        `chat` and `text` prompts, `continue` (a chat prompt that ends with an assistant's message), `tools` (calls of
        functions), `stream` (the answer in pieces), and names of Sampling fields. `token_ids` is for ids in requests and
        in completions.

        There is none for stop strings that stay in the answer: a backend always cuts them off and tells the one that
        ended it (`Completion.stop`), also where the server keeps them. So transcripts are the same from all servers; the
        tool loop writes the mark that ended a block of code by itself.
        """
        raise NotImplementedError

    def open(self, target: Target, options: Any) -> AbstractAsyncContextManager[Client]:
        """Connect or load. Raises UsageError for what `target` lacks; BackendUnusable where loading fails."""
        raise NotImplementedError

    def preview(self, request: Request, target: Target, options: Any) -> str:
        """`request` exactly as it would be sent (the body, or the rendered text), for `--dry-run`. Sends nothing."""
        raise NotImplementedError

    def server(self, target: Target, options: Any, host: str, port: int) -> Server:
        """How `skillforge serve` starts a server of the model of `target`. Raises UsageError where that cannot be."""
        raise UsageError(f"the backend '{self.name}' starts no server", "choose another --backend")
