"""Reading prompts: many at once, and what they have in common only once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from skillforge_transformers.cache import RowCache
from skillforge_transformers.loading import Loaded
from skillforge_transformers.prefixes import Match, Prefixes, shared
from skillforge_transformers.row import Row

_MOST_TOKENS = 16_384  # read in one call of the model, which bounds its memory
_WORTH_A_CALL = 256  # tokens that must be saved for one more call of the model


class Read(NamedTuple):
    """Rows that were read together: their cache, and the logits of what comes next, (rows, vocabulary)."""

    rows: list[Row]
    cache: RowCache
    logits: torch.Tensor


class _Unread(NamedTuple):
    row: Row
    ids: tuple[int, ...]
    match: Match
    followed: bool = False
    """Whether others wait for what this one reads."""

    @property
    def need(self) -> int:
        """Tokens that have to be read."""
        return len(self.ids) - self.match.length


class Reader:
    """Fills caches. For one thread."""

    def __init__(self, loaded: Loaded, prefix_bytes: int) -> None:
        self._model = loaded.model
        self._device = loaded.device
        taken = inspect.signature(loaded.model.forward).parameters
        self._positions_taken = "position_ids" in taken
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}
        self.prefixes = Prefixes(prefix_bytes)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: RowCache) -> torch.Tensor:
        """Read `ids` (rows, new tokens) after what is in `cache`; the logits of what comes next, (rows, vocabulary)."""
        more = self._last_only | ({"position_ids": positions} if self._positions_taken else {})
        output = self._model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **more)
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def read(self, rows: Sequence[Row]) -> Iterator[Read]:
        """Read all tokens of `rows`, in groups. Rows that share much wait for one of them, and go on from its cache."""
        unread = [_Unread(row, _ids(row), self.prefixes.find(_ids(row))) for row in rows]
        now, later = self._sort(unread) if self.prefixes.limit else (unread, [])
        while now:
            for group in _groups(now):
                yield self._read(group)
            again = [one._replace(match=self.prefixes.find(one.ids)) for one in later]
            helped = [new for new, old in zip(again, later, strict=True) if new.need < old.need]
            in_vain = [new for new, old in zip(again, later, strict=True) if new.need >= old.need]
            now, later = self._sort(helped)
            now += in_vain  # what they waited for was too much to keep

    def keep(self, row: Row, cache: RowCache, at: int) -> None:
        """Keep what was read of a row that ended, since its conversation may go on."""
        ids = _ids(row)[:-1]
        if self.prefixes.wants(ids):
            self.prefixes.add(ids, cache.prefix(at, len(ids)))

    def _sort(self, unread: list[_Unread]) -> tuple[list[_Unread], list[_Unread]]:
        """Those to read now, and those that save enough by waiting for one of them."""
        leaders: list[_Unread] = []
        followers: list[_Unread] = []
        ordered = sorted(unread, key=lambda one: one.ids)
        while ordered:
            leader, *ordered = ordered
            gains: list[int] = []
            for other in ordered:
                gain = min(shared(leader.ids, other.ids), len(other.ids) - 1) - other.match.length
                if gain <= 0:
                    break
                gains.append(gain)
            followed = sum(gains) >= _WORTH_A_CALL
            leaders.append(leader._replace(followed=followed))
            if followed:
                followers += ordered[: len(gains)]
                ordered = ordered[len(gains) :]
        return leaders, followers

    def _read(self, group: list[_Unread]) -> Read:
        """Read the last tokens of all rows, as many for each, so that they stay in one place at the end of the cache."""
        new = max(one.need for one in group)
        past = [max(0, len(one.ids) - new) for one in group]
        found = [
            (one.match.prefix, taken) if one.match.prefix and taken else None
            for one, taken in zip(group, past, strict=True)
        ]
        cache = RowCache.of_prefixes(found) if any(found) else RowCache()
        longest = cache.length + new
        padding = torch.tensor([[longest - len(one.ids)] for one in group], device=self._device)
        slots = torch.arange(longest, device=self._device)
        tails = [one.ids[taken:] for one, taken in zip(group, past, strict=True)]
        ids = torch.tensor([[0] * (new - len(tail)) + list(tail) for tail in tails], device=self._device)
        positions = (slots - padding).clamp(min=0)[:, -new:]
        logits = self.forward(ids, (slots >= padding).long(), positions, cache)
        for at, one in enumerate(group):
            if one.followed or self.prefixes.wants(one.ids):
                self.prefixes.add(one.ids, cache.prefix(at, len(one.ids)))
        return Read([one.row for one in group], cache, logits)


def _ids(row: Row) -> tuple[int, ...]:
    return (*row.prompt_ids, *row.tokens)


def _groups(unread: list[_Unread]) -> Iterator[list[_Unread]]:
    """Rows with about as much to read as each other, not too many together."""
    group: list[_Unread] = []
    for one in sorted(unread, key=lambda one: one.need):
        if group and (one.need > 2 * group[0].need + 32 or one.need * (len(group) + 1) > _MOST_TOKENS):
            yield group
            group = []
        group.append(one)
    if group:
        yield group
