"""Answers: the JSON that chat and text requests are answered with, read leniently."""

from __future__ import annotations

from typing import Any

import msgspec

from skillforge import Request, Sampling
from skillforge_openai.lenient import Tokens, read_json
from skillforge_openai.logprobs import Logprobs, PromptLogprobs
from skillforge_openai.tool_calls import WireCall


class Part(msgspec.Struct):
    """A part of a message's content."""

    type: str = "text"
    text: str | None = None


class AnswerMessage(msgspec.Struct):
    """What the model said in a chat; of a stream, a further piece of it."""

    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[WireCall] | None = None

    def thought(self) -> str:
        """The reasoning that stands apart from the answer; empty for none."""
        return self.reasoning_content or self.reasoning or ""

    def text(self) -> str:
        """The answer, or the refusal of one."""
        content = self.content
        return (content if isinstance(content, str) else _joined(content)) + (self.refusal or "")


class Choice(msgspec.Struct):
    """One answer, or in a stream a piece of it (`delta`)."""

    index: int = 0
    message: AnswerMessage | None = None
    delta: AnswerMessage | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    prompt_logprobs: PromptLogprobs | None = None
    stop_reason: Any = msgspec.UNSET
    matched_stop: Any = msgspec.UNSET
    prompt_token_ids: tuple[int, ...] | None = None
    token_ids: tuple[int, ...] | None = None


class Usage(msgspec.Struct):
    """Tokens, counted by the server."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None


class Answer(msgspec.Struct):
    """The body of a 200, or an event of a stream."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    prompt_logprobs: PromptLogprobs | None = None
    prompt_token_ids: tuple[int, ...] | None = None


_answer = msgspec.json.Decoder(Answer)
_DECIDE = frozenset({"choices", "message", "delta", "content", "text", "tool_calls", "function", "name", "arguments"})
"""Fields without which an answer is none. Others that cannot be read are left out, unless they were asked for."""

LOGPROBS = frozenset({"logprobs", "tokens", "token_logprobs", "top_logprobs", "logprob"})
"""Those of log-probabilities, which decide where these were asked for."""


def read_answer(body: bytes, request: Request) -> Answer:
    """The answer to `request` in `body`. Raises RequestFailed for what is none."""
    return read_json(body, _answer, _DECIDE | _asked_for(request.sampling))


def _asked_for(sampling: Sampling) -> frozenset[str]:
    logprobs = LOGPROBS if sampling.logprobs is not None else frozenset()
    of_prompt = {"prompt_logprobs"} if sampling.prompt_logprobs is not None else frozenset()
    return logprobs | of_prompt | ({"token_ids", "prompt_token_ids"} if sampling.token_ids else frozenset())


def what_stopped(choice: Choice, request: Request) -> str | None:
    """What ended the answer, from `stop_reason` (vLLM, TensorRT-LLM) or `matched_stop` (SGLang).

    Both name a stop string, or the id of a token; null stands for the model's own end, and for any other.
    """
    told = choice.matched_stop if choice.stop_reason is msgspec.UNSET else choice.stop_reason
    if isinstance(told, str):
        return told if told in request.sampling.stop else None
    ended_itself = told is not msgspec.UNSET and choice.finish_reason in ("stop", "tool_calls")
    return "" if ended_itself else None


def before_stop(text: str, choice: Choice, request: Request) -> tuple[str, str | None]:
    """`text` without the stop string that ended it, and that stop string, which `transformers serve` leaves in."""
    stops = request.sampling.stop if choice.finish_reason == "stop" else ()
    ended = max((stop for stop in stops if stop and text.endswith(stop)), key=len, default=None)
    return (text, None) if ended is None else (text.removesuffix(ended), ended)


def _joined(parts: list[Part] | None) -> str:
    return "".join(part.text or "" for part in parts or () if part.type == "text")
