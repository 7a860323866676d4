"""Responses: requests and answers of OpenAI's Responses API, whose chats are lists of items.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from skillforge import Completion, Message, ReasoningTags, Request, RequestFailed, ToolCall, ToolProtocol, UsageError
from skillforge_openai.answers import LOGPROBS
from skillforge_openai.dialect import PLAIN, Dialect
from skillforge_openai.extra_body import extra_fields
from skillforge_openai.lenient import Tokens, read_json
from skillforge_openai.logprobs import Logprobs, TokenLogprob, normal_logprobs
from skillforge_openai.reasoning_items import ReasoningItems
from skillforge_openai.visible import Visible
from skillforge_openai.wire import encoded, read_schema, tags_of

if TYPE_CHECKING:
    from skillforge_openai import OpenAIOptions

PATH = "/responses"
_OWN_FIELDS = frozenset(
    {
        "model", "input", "max_output_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty",
        "top_logprobs", "tools", "stream", "store", "background", "previous_response_id",
    }
)  # fmt: skip
_LOGPROBS = "message.output_text.logprobs"


class _Content(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    logprobs: list[TokenLogprob] | None = None


class _Item(msgspec.Struct):
    """An item of an answer: a message, a call, reasoning, or what OpenAI has thought of since."""

    type: str = ""
    content: list[_Content] | None = None
    summary: list[_Content] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class _Usage(msgspec.Struct):
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    status: str | None = None
    output: list[msgspec.Raw] = []
    usage: _Usage | None = None
    incomplete_details: _Incomplete | msgspec.UnsetType | None = msgspec.UNSET


class _Event(msgspec.Struct):
    type: str = ""
    delta: Any = None
    response: msgspec.Raw = msgspec.Raw(b"")


class _Kind(msgspec.Struct):
    type: str = ""


_response = msgspec.json.Decoder(_Response)
_kind = msgspec.json.Decoder(_Kind)
_item = msgspec.json.Decoder(_Item)
_event = msgspec.json.Decoder(_Event)
_DECIDE = {"message": frozenset({"content", "text"}), "function_call": frozenset({"name", "arguments"})}
"""Type of an item -> the fields without which it is none."""


class ResponsesWire:
    """Writes the requests for one model and reads the answers. Raises UsageError for options that make no sense."""

    def __init__(self, model: str, options: OpenAIOptions, dialect: Dialect = PLAIN) -> None:
        for name in ("continue_final_message", "token_ids", "max_tokens_field", "n"):
            if getattr(options, name) != getattr(type(options)(), name):
                raise UsageError(f"the option 'backend.{name}' is for chat completions", "leave out backend.api")
        self.model = model
        self.dialect = dialect.with_options(options)
        self._extra = extra_fields(options.extra_body, _OWN_FIELDS)
        self._tags = ReasoningTags(options.reasoning_tags)
        self._tag_pair = tags_of(options.reasoning_tags)
        self._reasoning = ReasoningItems()

    def endpoint(self, request: Request) -> str:
        """The path below the base URL that `request` goes to. Raises UsageError for raw text."""
        if isinstance(request.prompt, str):
            raise UsageError("the Responses API takes chat messages, and this prompt is raw text", "use a chat prompt")
        return PATH

    def body(self, request: Request, *, streamed: bool = False) -> bytes:
        """The JSON to send. Raises RequestRefused for a prompt that JSON cannot hold, UsageError for raw text."""
        self.endpoint(request)
        return encoded(self._fields(request, streamed))

    def _fields(self, request: Request, streamed: bool) -> dict[str, Any]:
        sampling, extra = request.sampling, dict(self._extra)
        items = [item for message in request.prompt if isinstance(message, Message) for item in self._items(message)]
        # `stream` is always said: transformers serve streams where it is not.
        fields: dict[str, Any] = {"model": self.model, "input": items, "store": False, "stream": streamed}
        asked = {"max_output_tokens": sampling.max_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
        asked |= {sent: getattr(sampling, name) for name, sent in self.dialect.sampling.items()}
        fields |= {name: value for name, value in asked.items() if value is not None}
        if request.tools:
            fields["tools"] = tuple(map(_offered, request.tools))
        if sampling.logprobs is not None:
            fields |= {"top_logprobs": sampling.logprobs, "include": [_LOGPROBS, *_list(extra.pop("include", None))]}
        if sampling.json_schema is not None:
            schema = read_schema(sampling.json_schema)
            held = {"type": "json_schema", "name": "answer", "strict": True, "schema": schema}
            fields["text"] = {**_object(extra.pop("text", None)), "format": held}
        return fields | extra

    def _items(self, message: Message) -> Iterator[Any]:
        """`message` as items; what the model thought before it called a function stands before the call."""
        if message.role == "tool":
            yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}
            return
        yield from self._reasoning.before(message.tool_calls)
        if message.content or not message.tool_calls:
            yield {"role": message.role, "content": message.content}
        for call in message.tool_calls:
            yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}

    def completion(self, body: bytes, request: Request) -> Completion:
        """The completion in the body of a 200. Raises RequestFailed for anything else."""
        response = read_json(body, _response, ("output",))
        if response.status not in ("completed", "incomplete", None):
            raise RequestFailed(f"the server broke the answer off (status '{response.status}')"[:200])
        items = [_read_item(bytes(item), request) for item in response.output]
        if not items and response.status != "incomplete":
            raise RequestFailed("the server's answer holds no item")
        said = [part for item in items if item.type == "message" for part in item.content or ()]
        reasoning = "\n\n".join(filter(None, map(_thought, items))) or None
        text, closed = "".join(part.text or part.refusal or "" for part in said), True
        if reasoning is None:
            reasoning, text, closed = self._tags.split(text)
        calls = tuple(
            ToolCall(item.call_id, item.name, item.arguments) for item in items if item.type == "function_call"
        )
        if calls:
            thoughts = [raw for raw, item in zip(response.output, items, strict=True) if item.type == "reasoning"]
            self._reasoning.keep(calls, thoughts)
        usage = response.usage or _Usage()
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=_finish_reason(response, request, calls, said) if closed else "length",
            tool_calls=calls,
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            logprobs=_logprobs(said) if request.sampling.logprobs is not None else None,
        )

    def stream(self, request: Request, on_text: Callable[[str], None]) -> ResponseStream:
        """What takes in the events of a streamed answer, of which `on_text` is told."""
        return ResponseStream(
            Visible(on_text, self._tag_pair, inside=False), lambda body: self.completion(body, request)
        )


class ResponseStream:
    """A streamed answer. Its last event holds the whole of it."""

    def __init__(self, visible: Visible, finished: Callable[[bytes], Completion]) -> None:
        self._visible = visible
        self._finished = finished
        self._sent = time.perf_counter()
        self._first: float | None = None
        self._response: bytes | None = None

    def add(self, data: bytes) -> bool:
        """Take in the data of one event; whether it is the last."""
        event = read_json(data, _event, ("response",)) if data.strip() != b"[DONE]" else _Event("response.done")
        if event.type.endswith(".delta") and isinstance(event.delta, str):
            self._first = self._first or time.perf_counter() - self._sent
            if event.type in ("response.output_text.delta", "response.refusal.delta"):
                self._visible.add(event.delta)
            elif event.type.startswith("response.reasoning"):
                self._visible.reasoning_is_apart()
        elif event.type in ("response.completed", "response.incomplete", "response.failed", "response.cancelled"):
            self._response = bytes(event.response)
        return self._response is not None

    def completion(self) -> Completion:
        """The whole answer. Raises RequestFailed where the stream was cut off before its end."""
        if self._response is None:
            raise RequestFailed("the server ended the stream of an answer in its middle")
        completion = self._finished(self._response)
        self._visible.end(completion.text)
        return msgspec.structs.replace(completion, first_token=self._first)


def _read_item(item: bytes, request: Request) -> _Item:
    """An item of an answer. Raises RequestFailed where what matters of it cannot be read."""
    decide = _DECIDE.get(read_json(item, _kind, ()).type, frozenset())
    return read_json(item, _item, decide | LOGPROBS if decide and request.sampling.logprobs is not None else decide)


def _finish_reason(response: _Response, request: Request, calls: tuple[ToolCall, ...], said: list[_Content]) -> str:
    details, most = response.incomplete_details, request.sampling.max_tokens
    if isinstance(details, _Incomplete) or response.status == "incomplete":
        reason = details.reason if isinstance(details, _Incomplete) else None
        return "length" if reason in ("max_output_tokens", None) else reason
    count = response.usage.output_tokens if response.usage else None
    if details is msgspec.UNSET and count is not None and most is not None and count >= most:
        return "length"  # transformers serve calls each answer complete
    if any(part.refusal for part in said):
        return "refusal"
    return "tool_calls" if calls else "stop"


def _thought(item: _Item) -> str:
    """The reasoning of an item: in full where the server tells it, else its summary."""
    if item.type != "reasoning":
        return ""
    return "".join(part.text or "" for part in item.content or ()) or "\n\n".join(
        part.text or "" for part in item.summary or ()
    )


def _logprobs(said: list[_Content]) -> list[dict[str, object]] | None:
    told = [each for part in said for each in part.logprobs or ()]
    return normal_logprobs(Logprobs(content=told)) if told else None


def _offered(tool: ToolProtocol) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {tool.argument: {"type": "string"}}, "required": [tool.argument]}
    named = {"type": "function", "name": tool.name, "description": tool.description}
    return {**named, "parameters": parameters, "strict": False}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
