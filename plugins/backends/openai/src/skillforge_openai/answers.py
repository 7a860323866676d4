"""Answers: the JSON that chat and text requests are answered with, read leniently."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from skillforge import Request, RequestFailed
from skillforge.text import one_line
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
    tool_calls: list[WireCall] | None = None

    def thought(self) -> str:
        """The reasoning that stands apart from the answer; empty for none."""
        return self.reasoning_content or self.reasoning or ""

    def text(self) -> str:
        """The answer."""
        content = self.content
        return content if isinstance(content, str) else _joined(content)


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

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Answer(msgspec.Struct):
    """The body of a 200, or an event of a stream."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    prompt_logprobs: PromptLogprobs | None = None
    prompt_token_ids: tuple[int, ...] | None = None


_decode = msgspec.json.Decoder(Answer).decode
_T = TypeVar("_T")


def read_answer(body: bytes) -> Answer:
    """The answer in `body`. Raises RequestFailed for what is none."""
    return read_json(body, _decode)


def read_json(body: bytes, decode: Callable[[bytes], _T]) -> _T:
    """What `decode` makes of `body`, mended where it holds what JSON does not allow. Raises RequestFailed."""
    try:
        return decode(body)
    except (ValueError, RecursionError) as error:
        cause: Exception = error
    try:
        return decode(_repaired(body))
    except (ValueError, RecursionError):
        form = "JSON of an unknown form" if isinstance(cause, msgspec.ValidationError) else "malformed JSON"
        raise RequestFailed(f"the server answered {form} ({one_line(str(cause))})") from cause


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


def _repaired(body: bytes) -> bytes:
    """`body` without what Python's json module writes and JSON does not allow: NaN, Infinity, half characters."""
    value = json.loads(body, parse_constant=lambda _: None)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
