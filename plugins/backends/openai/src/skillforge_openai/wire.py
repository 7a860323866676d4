"""Wire: requests as the JSON that is sent, and the JSON that comes back as completions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from skillforge import Completion, ReasoningTags, Request, RequestFailed, RequestRefused, UsageError
from skillforge.text import one_line
from skillforge_openai.logprobs import Logprobs, normal_logprobs
from skillforge_openai.tool_calls import WireCall, offered, read_calls, wire_messages

if TYPE_CHECKING:
    from skillforge_openai import OpenAIOptions

CHAT, TEXT = "/chat/completions", "/completions"

_DOES_NOT_COUNT = frozenset({"error", "abort"})
"""Reasons to finish that servers give for an answer that broke off in them."""


class Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a request holds; None is not sent."""

    model: str
    messages: tuple[msgspec.Struct, ...] | None = None
    prompt: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    tools: tuple[dict[str, Any], ...] = ()
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None


_OWN_FIELDS = frozenset({*Body.__struct_fields__, "stream", "n"})


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[WireCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    stop_reason: Any = msgspec.UNSET
    matched_stop: Any = msgspec.UNSET


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


class Wire:
    """Writes the requests for one model and reads the answers. Raises UsageError for options that make no sense."""

    def __init__(self, model: str, options: OpenAIOptions) -> None:
        self.model = model
        self._continues = options.continue_final_message
        self._long_name = options.max_tokens_field == "max_completion_tokens"
        self._extra = _extra_fields(options.extra_body)
        self._tags = ReasoningTags(options.reasoning_tags)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Answer).decode

    def body(self, request: Request) -> bytes:
        """The JSON to send.

        Raises RequestRefused for a prompt that JSON cannot hold, UsageError for tools with raw text.
        """
        try:
            body = self._encode(self._fields(request))
        except UnicodeEncodeError as error:
            raise RequestRefused(
                f"the prompt has half a character in it (surrogate U+{ord(error.object[error.start]):04X})",
                "correct the benchmark's data",
            ) from None
        return body[:-1] + self._extra if self._extra else body

    def preview(self, request: Request, url: str) -> str:
        """The request as text: method, URL, and the body set out in lines."""
        return f"POST {url}{endpoint(request)}\n{msgspec.json.format(self.body(request), indent=2).decode()}"

    def _fields(self, request: Request) -> Body:
        prompt, sampling = request.prompt, request.sampling
        body = Body(
            model=self.model,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            stop=sampling.stop,
            seed=request.seed,
        )
        if isinstance(prompt, str):
            if request.tools:
                raise UsageError("tools need chat messages, and this prompt is raw text", "use a chat prompt style")
            body.prompt = prompt
            body.logprobs = sampling.logprobs
            return body
        body.messages = wire_messages(prompt)
        if request.tools:
            body.tools = tuple(map(offered, request.tools))
        if self._continues and prompt and prompt[-1].role == "assistant":
            body.continue_final_message, body.add_generation_prompt = True, False
        if sampling.logprobs is not None:
            body.logprobs, body.top_logprobs = True, sampling.logprobs
        if self._long_name:
            body.max_tokens, body.max_completion_tokens = None, sampling.max_tokens
        return body

    def completion(self, body: bytes, request: Request) -> Completion:
        """The completion in the body of a 200. Raises RequestFailed for anything else."""
        answer = self._read(body)
        if not answer.choices:
            raise RequestFailed("the server's answer holds no choice")
        choice = answer.choices[0]
        if choice.finish_reason in _DOES_NOT_COUNT:
            raise RequestFailed(f"the server broke the answer off (finish_reason '{choice.finish_reason}')")
        reasoning, text, closed = self._parts(choice, request)
        calls = choice.message.tool_calls if choice.message else None
        usage = answer.usage
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=choice.finish_reason or None if closed else "length",
            stop=_stop(choice, request),
            tool_calls=read_calls(calls, request.prompt) if calls else (),
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            logprobs=normal_logprobs(choice.logprobs) if choice.logprobs else None,
        )

    def _read(self, body: bytes) -> _Answer:
        try:
            return self._decode(body)
        except (ValueError, RecursionError) as error:
            cause: Exception = error
        try:
            return self._decode(_repaired(body))
        except (ValueError, RecursionError):
            kind = "JSON of an unknown form" if isinstance(cause, msgspec.ValidationError) else "malformed JSON"
            raise RequestFailed(f"the server answered {kind} ({one_line(str(cause))})") from cause

    def _parts(self, choice: _Choice, request: Request) -> tuple[str | None, str, bool]:
        """(reasoning, answer, whether the reasoning was closed)."""
        message = choice.message
        content = choice.text if message is None else message.content
        text = content if isinstance(content, str) else _joined(content)
        reasoning = None if message is None else message.reasoning_content or message.reasoning
        if reasoning or request.whole:
            return reasoning or None, text, True
        return self._tags.split(text, self._tags.opened_by(request.prompt))


def endpoint(request: Request) -> str:
    """The path below the base URL that `request` goes to."""
    return TEXT if isinstance(request.prompt, str) else CHAT


def _stop(choice: _Choice, request: Request) -> str | None:
    """What ended the answer, from `stop_reason` (vLLM, TensorRT-LLM) or `matched_stop` (SGLang).

    Both name a stop string, or the id of a token; null stands for the model's own end, and for any other.
    """
    told = choice.matched_stop if choice.stop_reason is msgspec.UNSET else choice.stop_reason
    if isinstance(told, str):
        return told if told in request.sampling.stop else None
    ended_itself = told is not msgspec.UNSET and choice.finish_reason in ("stop", "tool_calls")
    return "" if ended_itself else None


def _joined(parts: list[_Part] | None) -> str:
    return "".join(part.text or "" for part in parts or () if part.type == "text")


def _repaired(body: bytes) -> bytes:
    """`body` without what Python's json module writes and JSON does not allow: NaN, Infinity, half characters."""
    value = json.loads(body, parse_constant=lambda _: None)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _extra_fields(text: str | None) -> bytes:
    """The fields of the JSON object `text` as they follow a body that lacks its closing brace; empty for none."""
    if not text or not text.strip():
        return b""
    try:
        fields = msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the option 'backend.extra_body' is not a JSON object ({one_line(str(error))})",
            'write it like {"cache_prompt": true}, in single quotes on the command line',
        ) from None
    for name in sorted(fields.keys() & _OWN_FIELDS):
        raise UsageError(
            f"the option 'backend.extra_body' sets '{name}', which requests have already or must not have",
            "use the option of that name (with -o backend.extra_sampling=true for top_k, min_p, repetition_penalty)",
        )
    return b"," + msgspec.json.encode(fields)[1:] if fields else b""
