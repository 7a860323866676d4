"""Long messages out of a session: a cell's value is cut off at some length, so that they go in pieces."""

from __future__ import annotations

PIECE = 32_768
"""Characters that are handed over at once: less than a sandbox cuts off."""


class Shown:
    """Has `text` as its repr, which is what a cell's value is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_rest = ""


def hand_over(message: str) -> Shown:
    """The length of `message`, a colon, and its first piece."""
    global _rest
    _rest = message[PIECE:]
    return Shown(f"{len(message)}:{message[:PIECE]}")


def next_piece() -> Shown:
    """What follows of the message."""
    global _rest
    piece, _rest = _rest[:PIECE], _rest[PIECE:]
    return Shown(piece)
