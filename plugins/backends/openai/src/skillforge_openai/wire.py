"""Wire: chat and text requests as the JSON that is sent, and the JSON that comes back as completions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from skillforge import Completion, ReasoningTags, Request, RequestFailed, RequestRefused, UsageError
from skillforge_openai.answers import Answer, Choice, before_stop, read_answer, what_stopped
from skillforge_openai.dialect import PLAIN, Dialect
from skillforge_openai.extra_body import extra_fields
from skillforge_openai.logprobs import normal_logprobs, normal_prompt_logprobs
from skillforge_openai.stream import Stream
from skillforge_openai.tool_calls import offered, read_calls, wire_messages
from skillforge_openai.visible import Visible

if TYPE_CHECKING:
    from skillforge_openai import OpenAIOptions

CHAT, TEXT = "/chat/completions", "/completions"

_DOES_NOT_COUNT = frozenset({"error", "abort"})
"""Reasons to finish that servers give for an answer that broke off in them."""

_SAMPLING = ("max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop")
_OWN_FIELDS = frozenset(
    {
        *_SAMPLING, "model", "messages", "prompt", "max_completion_tokens", "top_k", "min_p", "repetition_penalty", "seed",
        "logprobs", "top_logprobs", "prompt_logprobs", "tools", "continue_final_message", "add_generation_prompt",
        "return_token_ids", "n", "stream", "stream_options",
    }
)  # fmt: skip


class Wire:
    """Writes the requests for one model and reads the answers. Raises UsageError for options that make no sense."""

    def __init__(self, model: str, options: OpenAIOptions, dialect: Dialect = PLAIN) -> None:
        self.model = model
        self.dialect = dialect.with_options(options)
        self._long_name = options.max_tokens_field == "max_completion_tokens"
        self._extra = extra_fields(options.extra_body, _OWN_FIELDS)
        self._tags = ReasoningTags(options.reasoning_tags)
        self._tag_pair = tags_of(options.reasoning_tags)

    def body(self, request: Request, *, streamed: bool = False, n: int = 1) -> bytes:
        """The JSON to send, which asks for `n` answers.

        Raises RequestRefused for a prompt that JSON cannot hold, UsageError for what no request can hold.
        """
        fields = self._fields(request)
        if n > 1:
            fields["n"] = n
        if streamed:
            fields |= {"stream": True, "stream_options": {"include_usage": True}}
        return encoded(fields | self._extra)

    def endpoint(self, request: Request) -> str:
        """The path below the base URL that `request` goes to."""
        return endpoint(request)

    def preview(self, request: Request, url: str) -> str:
        """The request as text: method, URL, and the body set out in lines."""
        return shown(url + endpoint(request), self.body(request))

    def _fields(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        as_text = endpoint(request) == TEXT
        fields = {"model": self.model, **(self._text(request) if as_text else self._chat(request))}
        fields |= {name: value for name in _SAMPLING if (value := getattr(sampling, name)) not in (None, ())}
        for name in ("top_k", "min_p", "repetition_penalty"):
            if (value := getattr(sampling, name)) is not None:
                fields[self.dialect.sampling.get(name, name)] = value
        if request.seed is not None:
            fields["seed"] = request.seed
        if sampling.logprobs is not None:
            # llama-server tells no log-probability at all where none of the likeliest are asked for.
            likeliest = max(sampling.logprobs, 1)
            fields |= {"logprobs": likeliest} if as_text else {"logprobs": True, "top_logprobs": likeliest}
        if sampling.prompt_logprobs is not None:
            fields["prompt_logprobs"] = sampling.prompt_logprobs
        if sampling.token_ids:
            fields["return_token_ids"] = True
        if sampling.json_schema is not None:
            fields |= self._schema_in_text(sampling.json_schema) if as_text else schema_in_chat(sampling.json_schema)
        if self._long_name and not as_text and sampling.max_tokens is not None:
            fields["max_completion_tokens"] = fields.pop("max_tokens")
        return fields

    def _text(self, request: Request) -> dict[str, Any]:
        if request.tools:
            raise UsageError("tools need chat messages, and this prompt is raw text", "use a chat prompt style")
        return {"prompt": request.prompt if request.prompt_ids is None else request.prompt_ids}

    def _chat(self, request: Request) -> dict[str, Any]:
        prompt = request.prompt
        assert not isinstance(prompt, str)
        fields: dict[str, Any] = {"messages": wire_messages(prompt)}
        if request.tools:
            fields["tools"] = tuple(map(offered, request.tools))
        if self.dialect.continues and prompt and prompt[-1].role == "assistant":
            fields |= {"continue_final_message": True, "add_generation_prompt": False}
        return fields

    def _schema_in_text(self, schema: str) -> dict[str, Any]:
        match self.dialect.text_schema:
            case "response_format":
                return schema_in_chat(schema)
            case "structured_outputs":
                return {"structured_outputs": {"json": read_schema(schema)}}
            case "json_schema":
                return {"json_schema": read_schema(schema)}
        raise UsageError("this server takes a JSON schema with chat messages only", "use a chat prompt style")

    def completion(self, body: bytes, request: Request) -> Completion:
        """The completion in the body of a 200. Raises RequestFailed for anything else."""
        return self._first(read_answer(body, request), request)

    def completions(self, body: bytes, request: Request) -> list[Completion | RequestFailed]:
        """All answers in the body of a 200, each with the tokens of all; RequestFailed for one that broke off.

        Raises RequestFailed where the body holds no answers.
        """
        answer = read_answer(body, request)
        found: list[Completion | RequestFailed] = []
        for choice in sorted(answer.choices or (), key=lambda choice: choice.index):
            try:
                found.append(self._completion(answer, choice, request))
            except RequestFailed as broken_off:
                found.append(broken_off)
        return found

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Stream | None:
        """What takes in the events of a streamed answer, of which `on_text` is told; None where there can be no stream:
        vLLM's have no log-probabilities of the prompt."""
        if request.sampling.prompt_logprobs is not None:
            return None
        visible = Visible(on_text, () if request.whole else self._tag_pair, self._tags.opened_by(request.prompt))
        return Stream(request, visible, lambda answer: self._first(answer, request))

    def _first(self, answer: Answer, request: Request) -> Completion:
        if not answer.choices:
            raise RequestFailed("the server's answer holds no choice")
        return self._completion(answer, answer.choices[0], request)

    def _completion(self, answer: Answer, choice: Choice, request: Request) -> Completion:
        if choice.finish_reason in _DOES_NOT_COUNT:
            raise RequestFailed(f"the server broke the answer off (finish_reason '{choice.finish_reason}')")
        if choice.message is None and choice.text is None:
            raise RequestFailed("the server's answer holds neither a message nor text")
        reasoning, text, closed = self._parts(choice, request)
        text, left_in = before_stop(text, choice, request)
        calls = choice.message.tool_calls if choice.message else None
        usage = answer.usage
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=_finish_reason(choice) if closed else "length",
            stop=left_in or what_stopped(choice, request),
            tool_calls=read_calls(calls, request.prompt) if calls else (),
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            prompt_ids=choice.prompt_token_ids or answer.prompt_token_ids,
            token_ids=choice.token_ids,
            logprobs=normal_logprobs(choice.logprobs) if choice.logprobs else None,
            prompt_logprobs=self._prompt_logprobs(answer, choice, request),
        )

    @staticmethod
    def _prompt_logprobs(answer: Answer, choice: Choice, request: Request) -> list[dict[str, object]] | None:
        given = choice.prompt_logprobs or answer.prompt_logprobs
        return normal_prompt_logprobs(given, request.sampling.prompt_logprobs or 0) if given else None

    def _parts(self, choice: Choice, request: Request) -> tuple[str | None, str, bool]:
        """(reasoning, answer, whether the reasoning was closed)."""
        message = choice.message
        text = choice.text or "" if message is None else message.text()
        reasoning = None if message is None else message.thought()
        if reasoning or request.whole:
            return reasoning or None, text, True
        return self._tags.split(text, self._tags.opened_by(request.prompt))


def _finish_reason(choice: Choice) -> str | None:
    refused = choice.message is not None and choice.message.refusal
    return "refusal" if refused and choice.finish_reason == "stop" else choice.finish_reason or None


def endpoint(request: Request) -> str:
    """The path below the base URL that `request` goes to."""
    return TEXT if isinstance(request.prompt, str) or request.prompt_ids is not None else CHAT


def shown(url: str, body: bytes) -> str:
    """A request as text: method, URL, and the body set out in lines."""
    return f"POST {url}\n{msgspec.json.format(body, indent=2).decode()}"


def encoded(fields: dict[str, Any]) -> bytes:
    """`fields` as JSON. Raises RequestRefused for a prompt that JSON cannot hold."""
    try:
        return msgspec.json.encode(fields)
    except UnicodeEncodeError as error:
        raise RequestRefused(
            f"the prompt has half a character in it (surrogate U+{ord(error.object[error.start]):04X})",
            "correct the benchmark's data",
        ) from None


def schema_in_chat(schema: str) -> dict[str, Any]:
    """The field of a chat request that asks for JSON of this schema."""
    held = {"name": "answer", "strict": True, "schema": read_schema(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": held}}


@functools.lru_cache(maxsize=64)
def read_schema(schema: str) -> dict[str, Any]:
    """The JSON schema that is written in `schema`. Raises UsageError where it is no JSON object."""
    try:
        return msgspec.json.decode(schema, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise UsageError("the JSON schema is not a JSON object", "correct --json-schema") from None


def tags_of(pair: str | None) -> tuple[str, ...]:
    """The two tags of the option `reasoning_tags`; none where nothing is kept apart."""
    return tuple(tag.strip() for tag in pair.split(",")) if pair and pair.strip() else ()
