"""Stream: an answer told in pieces while it comes, each of them text that will stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from skillforge_transformers.texts import LEAD, REASONING, REASONING_TAGS, Texts

_PAUSE = 0.05  # seconds between two pieces


class Stream:
    """Tells the event loop's `on_text` what is new of one answer. Fed in the worker's thread.

    Held back is what may yet change: the bytes of a character that is not whole, what may be the beginning of a stop string
    or of a reasoning tag, and reasoning itself.
    """

    def __init__(
        self,
        on_text: Callable[[str], None],
        texts: Texts,
        lead_ids: Sequence[int],
        stops: Sequence[str],
        reasoning_opened: bool | None,
    ) -> None:
        """`reasoning_opened`: whether the prompt has begun the reasoning; None where reasoning is part of the text."""
        self._on_text = on_text
        self._loop = asyncio.get_running_loop()
        self._texts = texts
        self._lead_ids = list(lead_ids)
        self._reasoning_opened = reasoning_opened
        self._open_ends = (*stops, *(() if reasoning_opened is None else REASONING_TAGS))
        self._text = ""
        self._read = 0
        self._told = 0
        self._next = 0.0

    def advance(self, tokens: list[int]) -> None:
        """Tell what is certain of the answer whose tokens so far are `tokens`."""
        now = time.monotonic()
        if now < self._next:
            return
        lead = (self._lead_ids + tokens[max(0, self._read - LEAD) : self._read])[-LEAD:]
        piece = self._texts.decode(tokens[self._read :], lead)
        if piece.endswith("\ufffd"):
            return
        self._text += piece
        self._read = len(tokens)
        answer = self._answer()
        if answer.strip():
            self._tell(answer[: len(answer) - _held_back(answer, self._open_ends)])
            self._next = now + _PAUSE

    def end(self, text: str) -> None:
        """Tell the rest of the whole answer `text`."""
        self._tell(text)

    def _answer(self) -> str:
        if self._reasoning_opened is None:
            return self._text
        return REASONING.split(self._text, self._reasoning_opened)[1]

    def _tell(self, text: str) -> None:
        if len(text) > self._told:
            self._loop.call_soon_threadsafe(self._on_text, text[self._told :])
            self._told = len(text)


def _held_back(text: str, ends: Sequence[str]) -> int:
    """How many last characters of `text` may be the beginning of one of `ends`."""
    return max((size for end in ends for size in range(1, len(end)) if text.endswith(end[:size])), default=0)
