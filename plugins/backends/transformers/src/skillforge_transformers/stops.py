"""Stop strings: found in decoded text, whatever tokens they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

_MARGIN = 8


class Cut(NamedTuple):
    """A text up to the earliest stop string, and that string."""

    text: str
    stop: str


class Stops:
    """The stop strings of a request. One object serves all requests with the same strings.

    A string that is one special token (`<|im_end|>`) is looked for as that token, since special tokens have no place
    in the text. All others are looked for in the text.
    """

    def __init__(
        self,
        strings: Sequence[str],
        special_ids: dict[str, int],
        token_text: Callable[[int], str],
        decode: Callable[[list[int]], str],
    ) -> None:
        wanted = [text for text in strings if text]
        self.tokens = {special_ids[text]: text for text in wanted if text in special_ids}
        self.texts = tuple(text for text in wanted if text not in special_ids)
        self._last_characters = frozenset(text[-1] for text in self.texts)
        self._window = max((len(text.encode()) for text in self.texts), default=0) + _MARGIN
        self._token_text = token_text
        self._decode = decode
        self._may_end: dict[int, bool] = {}

    def may_end_with(self, tokens: list[int]) -> bool:
        """Whether a stop string may have been completed by the last of `tokens`: cheap, and never wrongly False.

        The window counts one token a byte, the most that a tokenizer with byte fallback needs.
        """
        if not self.texts or not self._touches_an_end(tokens[-1]):
            return False
        tail = self._decode(tokens[-self._window :])
        return any(text in tail for text in self.texts)

    def cut(self, text: str) -> Cut | None:
        """`text` up to the earliest stop string; None where there is none. Of two that begin together the longer counts."""
        found = [(at, -len(stop), stop) for stop in self.texts if (at := text.find(stop)) >= 0]
        if not found:
            return None
        at, _, stop = min(found)
        return Cut(text[:at], stop)

    def _touches_an_end(self, token: int) -> bool:
        known = self._may_end.get(token)
        if known is None:
            text = self._token_text(token)
            # A token that is a piece of a character shows as U+FFFD and may complete anything.
            known = "\ufffd" in text or not self._last_characters.isdisjoint(text)
            self._may_end[token] = known
        return known
