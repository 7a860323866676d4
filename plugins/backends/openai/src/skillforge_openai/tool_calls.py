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
    index: int | msgspec.UnsetType | None = msgspec.UNSET
    """Which call a piece of a stream belongs to."""


class CallPieces:
    """Calls put together from the pieces that they come in."""

    def __init__(self) -> None:
        self._calls: dict[int, WireCall] = {}

    def add(self, pieces: Sequence[WireCall]) -> None:
        """Further pieces. One without an index is the next call where it has an id, else it belongs to the last."""
        for piece in pieces:
            call = self._calls.setdefault(self._index_of(piece), WireCall(function=_Function()))
            call.id = call.id or piece.id
            if piece.function:
                assert call.function is not None
                call.function.name = call.function.name or piece.function.name
                call.function.arguments = _joined(call.function.arguments, piece.function.arguments)

    def whole(self) -> list[WireCall]:
        """The calls, in their order."""
        return [self._calls[index] for index in sorted(self._calls)]

    def _index_of(self, piece: WireCall) -> int:
        if isinstance(piece.index, int):
            return piece.index
        last = max(self._calls, default=-1)
        return last + 1 if piece.id or last < 0 else last


def _joined(before: Any, piece: Any) -> Any:
    return before + piece if isinstance(before, str) and isinstance(piece, str) else before if piece is None else piece


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
