"""Tool calls in OpenAI's form: the functions that are offered, the calls that a model makes, the messages that hold them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from skillforge import Message, ToolCall, ToolProtocol


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class WireCall(msgspec.Struct):
    """A call as servers send it and take it back."""

    id: str | None = None
    type: str = "function"
    function: _Function | None = None


class _CallingMessage(msgspec.Struct):
    role: str
    content: str | None
    tool_calls: tuple[WireCall, ...]


@functools.lru_cache(maxsize=64)
def offered(tool: ToolProtocol) -> dict[str, Any]:
    """`tool` as an entry of a request's `tools`."""
    parameters = {"type": "object", "properties": {tool.argument: {"type": "string"}}, "required": [tool.argument]}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def wire_messages(prompt: tuple[Message, ...]) -> tuple[Message | _CallingMessage, ...]:
    """`prompt` as the `messages` of a request."""
    if not any(message.tool_calls for message in prompt):
        return prompt
    return tuple(_calling(message) if message.tool_calls else message for message in prompt)


def _calling(message: Message) -> _CallingMessage:
    calls = tuple(WireCall(id=call.id, function=_Function(call.name, call.arguments)) for call in message.tool_calls)
    # null for no text, as OpenAI writes it itself: some servers take no empty text.
    return _CallingMessage(role=message.role, content=message.content or None, tool_calls=calls)


def read_calls(calls: Sequence[WireCall], prompt: Sequence[object]) -> tuple[ToolCall, ...]:
    """The calls of an answer to `prompt`. A call without an id gets one that no other of the conversation has.

    Arguments stay as the model wrote them, JSON or not; a server that has read them already (Ollama) sends an object.
    """
    read = []
    for number, call in enumerate(calls):
        function = call.function or _Function()
        arguments = function.arguments if function.arguments is not None else {}
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        # Nine letters and digits, the one form that Mistral's chat templates take.
        read.append(ToolCall(call.id or f"call{len(prompt):03}{number:02}", function.name or "", arguments))
    return tuple(read)
