"""Visible: what of an answer that comes in pieces is told, which is all but private reasoning."""

from __future__ import annotations

from collections.abc import Callable


class Visible:
    """Tells `on_text` the pieces of one answer, and holds back what stands between the two `tags`.

    Text in front of a closing tag that nothing opened has been told when the tag comes.
    """

    def __init__(self, on_text: Callable[[str], None], tags: tuple[str, ...], inside: bool) -> None:
        self._on_text = on_text
        self._tags = tags
        self._inside = inside
        self._at_start = not inside
        self._held = ""
        self._told: list[str] = []

    def reasoning_is_apart(self) -> None:
        """The server has taken reasoning out of the text: tags that are left in it are part of the answer."""
        self._tags = ()
        self._tell(self._held)
        self._held = ""

    def add(self, piece: str) -> None:
        """A further piece of what the model wrote."""
        if not self._tags:
            self._tell(piece)
            return
        self._held += piece
        while (at := self._held.find(tag := self._tags[self._inside])) >= 0:
            self._let_go(at)
            self._held = self._held.removeprefix(tag)
            self._inside, self._at_start = not self._inside, False
        sure = len(self._held) - _begun(self._held, tag)
        if not (self._at_start and self._held[:sure].isspace()):
            self._let_go(sure)

    def end(self, text: str) -> None:
        """The answer is whole, and is `text`: tell what of it was held back."""
        told = "".join(self._told)
        if text.startswith(told):
            self._tell(text[len(told) :])

    def _let_go(self, size: int) -> None:
        """Be done with so many characters: told, unless they are reasoning or the white space before it."""
        text, self._held = self._held[:size], self._held[size:]
        if self._inside or (self._at_start and text.isspace()):
            return
        self._at_start = self._at_start and not text
        self._tell(text)

    def _tell(self, text: str) -> None:
        if text:
            self._told.append(text)
            self._on_text(text)


def _begun(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)
