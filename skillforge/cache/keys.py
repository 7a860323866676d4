"""Keys: the name that a completion has in a cache, made of all that decides it."""

from __future__ import annotations

import hashlib

import msgspec

from skillforge.cache.origin import Origin
from skillforge.parts.backend import Completion, Request

VERSION = 1
"""Goes into each key: to be raised where the same request gets another meaning."""

FINISHED = frozenset({None, "stop", "length", "tool_calls"})
"""Reasons to end that belong to the request. A server's own words may tell of a moment's fault; None: it does not tell."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Keys:
    """Makes the keys of one origin."""

    def __init__(self, origin: Origin) -> None:
        self._begun = hashlib.blake2b(_encoder.encode((VERSION, origin)), digest_size=16)

    def of(self, request: Request) -> bytes | None:
        """16 bytes that stand for `request`; None for one that is not to be kept.

        The seed of the run, which is not sent, does not count.
        """
        if not repeatable(request):
            return None
        if request.sampling.seed is not None:
            request = msgspec.structs.replace(request, sampling=msgspec.structs.replace(request.sampling, seed=None))
        try:
            content = _encoder.encode(request)
        except UnicodeEncodeError:  # half of a surrogate pair
            return None
        digest = self._begun.copy()
        digest.update(content)
        return digest.digest()


def repeatable(request: Request) -> bool:
    """Whether the same request is meant to get the same answer: it is greedy, or has a seed."""
    return request.sampling.temperature == 0 or request.seed is not None


def finished(completion: Completion) -> bool:
    """Whether `completion` is one that asking again is to give again."""
    return completion.finish_reason in FINISHED
