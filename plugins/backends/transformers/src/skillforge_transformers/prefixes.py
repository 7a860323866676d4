"""Prefixes: keys and values of earlier prompts, for later ones that begin alike (few-shots, samples of one problem)."""

from __future__ import annotations

import bisect
from typing import NamedTuple

from skillforge_transformers.cache import Prefix

_MOST = 1024
"""Prefixes kept at most, however small they are."""


class Match(NamedTuple):
    """How many first tokens of a sequence are there already, and where."""

    length: int
    prefix: Prefix | None


class Prefixes:
    """The prefixes that were used last, within a limit of bytes. For one thread."""

    def __init__(self, limit: int) -> None:
        """`limit`: most bytes to keep."""
        self.limit = limit
        self._size = 0
        self._held: dict[tuple[int, ...], Prefix] = {}  # least recently used first
        self._ordered: list[tuple[int, ...]] = []

    def find(self, ids: tuple[int, ...]) -> Match:
        """The longest beginning of `ids` that is kept, short of all of it: one token must be read to go on from."""
        length, best = max(((shared(ids, other), other) for other in self._neighbours(ids)), default=(0, ()))
        length = min(length, len(ids) - 1)
        if length <= 0:
            return Match(0, None)
        prefix = self._held[best] = self._held.pop(best)
        return Match(length, prefix)

    def wants(self, ids: tuple[int, ...]) -> bool:
        """Whether `ids` are worth keeping: a quarter of them would be new."""
        found = max((shared(ids, other) for other in self._neighbours(ids)), default=0)
        return self.limit > 0 and found * 4 <= len(ids) * 3

    def add(self, ids: tuple[int, ...], prefix: Prefix) -> None:
        """Keep `prefix`, which is that of `ids`, in place of those that it holds whole."""
        while (at := bisect.bisect_left(self._ordered, ids)) and ids[: len(self._ordered[at - 1])] == self._ordered[
            at - 1
        ]:
            self._drop(self._ordered[at - 1])
        if ids in self._held or prefix.nbytes > self.limit:
            return
        self._held[ids] = prefix
        self._size += prefix.nbytes
        bisect.insort(self._ordered, ids)
        while self._size > self.limit or len(self._held) > _MOST:
            self._drop(next(iter(self._held)))

    def clear(self) -> None:
        """Keep nothing any more, to free memory."""
        self._held.clear()
        self._ordered.clear()
        self._size = 0

    def _neighbours(self, ids: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The kept sequences next to `ids` in order: no other shares a longer beginning with it."""
        at = bisect.bisect_left(self._ordered, ids)
        return self._ordered[max(0, at - 1) : at + 1]

    def _drop(self, ids: tuple[int, ...]) -> None:
        self._size -= self._held.pop(ids).nbytes
        del self._ordered[bisect.bisect_left(self._ordered, ids)]


def shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How many first tokens two sequences have in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
