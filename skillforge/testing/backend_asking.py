"""Questions to a backend's client whose contract is checked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from skillforge.errors import BackendUnusable
from skillforge.parts.backend import Client, Completion, Request
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Message, Prompt
from skillforge.testing.report import Skip, expect

QUESTION = "Count from one to fifty in words, separated by commas."


def a_prompt(able: frozenset[str]) -> Prompt:
    """A question that every model has something to say to, in a form that the backend takes."""
    return (Message("user", QUESTION),) if "chat" in able else QUESTION


class Asker:
    """Asks one client, and gives each answer `limit` seconds."""

    def __init__(self, client: Client, able: frozenset[str], limit: float) -> None:
        self.client = client
        self.able = able
        """What the target is capable of, as far as is known by now."""
        self.limit = limit

    @property
    def greedy(self) -> dict[str, Any]:
        """Settings that repeat an answer, where the backend has them."""
        return {"temperature": 0.0} if "temperature" in self.able else {}

    def sampling(self, **sampling: Any) -> Sampling:
        """These settings of a short answer. Raises Skip for what the backend is not capable of."""
        missing = sampling.keys() - self.able
        if missing:
            raise Skip(f"the backend is not capable of {', '.join(sorted(missing))}")
        return Sampling(**({"max_tokens": 32} if "max_tokens" in self.able else {}) | sampling)

    async def ask(
        self, seed: int | None = None, prompt_ids: tuple[int, ...] | None = None, **sampling: Any
    ) -> Completion:
        """An answer to QUESTION. Raises Skip for what the backend is not capable of."""
        request = Request(a_prompt(self.able), self.sampling(**sampling), seed, prompt_ids=prompt_ids)
        return await self.complete(request)

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """The answer to `request`. Raises Skip where that shows the target to be incapable of a part of it."""
        try:
            async with asyncio.timeout(self.limit):
                completion = await (
                    self.client.complete(request, on_text) if on_text else self.client.complete(request)
                )
        except BackendUnusable as refused:
            self._learn(refused)
            raise
        expect(isinstance(completion, Completion), f"it returned {type(completion).__name__}, not Completion")
        return completion

    def _learn(self, refused: BackendUnusable) -> None:
        """Raises Skip where the client refused what it has just found the target to be incapable of."""
        lost = self.able - (self.client.capabilities() or self.able)
        self.able -= lost
        if lost:
            raise Skip(f"the backend is not capable of {', '.join(sorted(lost))}: {refused.what}") from refused
