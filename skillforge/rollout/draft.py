"""Draft: an answer as far as it is written, for a sample that may have to end before its answer does."""

from __future__ import annotations

from skillforge.parts.backend import Client, Completion, Request


class Draft:
    """The text so far of the answer that is being written; empty where none is."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    async def complete(self, client: Client, request: Request) -> Completion:
        """The completion of `request`, by a client whose backend is capable of `stream`, told of while it comes."""
        self._pieces.clear()
        completion = await client.complete(request, self._pieces.append)
        self._pieces.clear()
        return completion
