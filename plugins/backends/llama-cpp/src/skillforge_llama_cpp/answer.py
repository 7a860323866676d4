"""Answer: the text of one answer as its bytes come, up to a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence


class Answer:
    """Joins the bytes of tokens, cuts at the first stop string, and tells what is sure to belong to the text."""

    def __init__(self, stops: Sequence[str], tell: Callable[[str], None]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._tell = tell
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._told = 0
        self.text = ""
        self.stop: str | None = None
        """The stop string that ended it."""

    def add(self, piece: bytes) -> None:
        """The bytes of a further token, which may end inside a character."""
        self._grow(self._decode(piece))

    def end(self) -> None:
        """There is no further token."""
        if self.stop is None:
            self._grow(self._decode(b"", True))
            self._tell_up_to(len(self.text))

    def _grow(self, text: str) -> None:
        self.text += text
        places = [(at, -len(stop), stop) for stop in self._stops if (at := self.text.find(stop, self._told)) >= 0]
        if places:
            at, _, self.stop = min(places)
            self.text = self.text[:at]
            self._tell_up_to(at)
        else:
            self._tell_up_to(len(self.text) - self._open_end())

    def _open_end(self) -> int:
        """How many characters at the end are the beginning of a stop string."""
        untold = self.text[self._told :]
        longest = max(map(len, self._stops), default=0)
        sizes = range(min(longest - 1, len(untold)), 0, -1)
        return next((size for size in sizes if any(stop.startswith(untold[-size:]) for stop in self._stops)), 0)

    def _tell_up_to(self, end: int) -> None:
        if end > self._told:
            self._tell(self.text[self._told : end])
            self._told = end
