"""Reasoning items: what a model thought before it called a function, which it wants to read again with the output."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from skillforge import ToolCall
from skillforge_openai.lenient import read_json

_MOST = 10_000


class _Reasoning(msgspec.Struct):
    encrypted_content: str | None = None
    content: list[Any] | None = None


_reasoning = msgspec.json.Decoder(_Reasoning)


class ReasoningItems:
    """Keeps the items of the latest calls. The prompts of a tool loop hold calls and outputs only."""

    def __init__(self) -> None:
        self._by_call: OrderedDict[str, tuple[msgspec.Raw, ...]] = OrderedDict()

    def keep(self, calls: Sequence[ToolCall], items: Iterable[msgspec.Raw]) -> None:
        """Remember the reasoning `items` of the answer that asks for `calls`.

        One that the server would have to have stored is left out: it has neither its text nor an encrypted form of it.
        """
        sendable = tuple(item.copy() for item in items if _is_whole(item))
        if sendable:
            self._by_call[calls[0].id] = sendable
        while len(self._by_call) > _MOST:
            self._by_call.popitem(last=False)

    def before(self, calls: Sequence[ToolCall]) -> tuple[msgspec.Raw, ...]:
        """The items that stand before `calls`."""
        return self._by_call.get(calls[0].id, ()) if calls else ()


def _is_whole(item: msgspec.Raw) -> bool:
    reasoning = read_json(bytes(item), _reasoning, ())
    return bool(reasoning.encrypted_content or reasoning.content)
