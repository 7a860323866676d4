"""Fits a request into the model's context."""

from __future__ import annotations

import msgspec

from skillforge.errors import ContextOverflow
from skillforge.parts.backend import Request
from skillforge.rollout.dispatch import Answer, Dispatcher
from skillforge.rollout.draft import Draft

LEAST_ROOM = 16
"""Tokens below which an answer is not worth asking for, where a server says "too long" and not by how much."""


async def complete_in_context(dispatcher: Dispatcher, request: Request, draft: Draft | None) -> Answer:
    """A completion; of fewer tokens than `request` allows where the context has not enough room for all of them.

    Raises ContextOverflow where it has none, and what `dispatcher` raises.
    """
    while True:
        try:
            return await dispatcher.complete(request, draft)
        except ContextOverflow as error:
            room = _less_room(request.sampling.max_tokens, error.room)
            if room is None:
                raise
            sampling = msgspec.structs.replace(request.sampling, max_tokens=room)
            request = msgspec.structs.replace(request, sampling=sampling)


def _less_room(room: int | None, left: int | None) -> int | None:
    """Tokens to ask for where `room` were too many: what is `left`, as far as the server tells; None to give up."""
    if left is not None:
        return left if left > 0 and (room is None or left < room) else None
    half = (room or 0) // 2
    return half if half >= LEAST_ROOM else None
