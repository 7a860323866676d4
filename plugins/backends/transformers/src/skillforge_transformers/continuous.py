"""Continuous batching: rows leave when they end and others join, while the rest goes on.

A step reads the newest token of every row and draws the next. Where `generate` runs a batch to the end of its longest row,
here a row costs no more steps than it has tokens; and the cache grows by blocks, where `generate` copies it at each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from skillforge_transformers.answers import Answers
from skillforge_transformers.cache import RowCache
from skillforge_transformers.feed import Feed
from skillforge_transformers.loading import Loaded
from skillforge_transformers.reading import Reader
from skillforge_transformers.row import Row
from skillforge_transformers.sampling import RowSampler

_BLOCK = 128  # places to add to the mask when there are none left
_ENDLESS = 2**31  # places of a model that names no limit


@dataclass
class _Batch:
    """Rows that run together. `tokens` is each one's newest token, (rows, 1), and `positions` where it stands."""

    rows: list[Row]
    cache: RowCache
    sampler: RowSampler
    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    """(rows, tokens and some more): 0 where a row is padded on the left."""

    @property
    def still(self) -> int:
        """Rows that have not ended."""
        return sum(row.open for row in self.rows)


class ContinuousEngine:
    """Runs rows through a model that keeps keys and values. For one thread."""

    def __init__(self, loaded: Loaded, answers: Answers, prefix_bytes: int) -> None:
        self._device = loaded.device
        self._last_position = (loaded.context or _ENDLESS) - 1
        self._answers = answers
        self._reader = Reader(loaded, prefix_bytes)

    def run(self, rows: Sequence[Row], feed: Feed) -> None:
        """Generate until all is done, also for the rows that `feed` adds meanwhile, or until it says that it is enough.

        An answer is handed over as soon as its row ends.
        """
        with torch.inference_mode():
            batch = self._joined(None, rows)
            while (joining := feed.more(batch.still if batch else 0)) is not None:
                if joining or (batch and batch.still * 4 <= len(batch.rows) * 3):
                    batch = self._joined(batch, joining)
                if batch is None:
                    return
                self._step(batch)

    def forget(self) -> None:
        """Free what is kept only to save time."""
        self._reader.prefixes.clear()

    def _step(self, batch: _Batch) -> None:
        length = batch.cache.length + 1
        if length > batch.mask.shape[1]:
            batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(batch.rows), _BLOCK)], dim=1)
        logits = self._reader.forward(batch.tokens, batch.mask[:, :length], batch.positions, batch.cache)
        drawn = batch.sampler.draw(logits)
        batch.tokens = drawn.clamp(min=0)[:, None]
        # Rows that have ended run on until they are taken out, and must not run past the positions that there are.
        batch.positions = (batch.positions + 1).clamp(max=self._last_position)
        self._advance(batch.rows, drawn, batch.cache)

    def _joined(self, batch: _Batch | None, joining: Sequence[Row]) -> _Batch | None:
        """The open rows of `batch` and those that join them; None where there are none."""
        rows: list[Row] = []
        parts: list[tuple[RowCache, list[int]]] = []
        groups = [(batch.rows, batch.cache)] if batch else []
        for group in self._reader.read(joining):
            self._advance(group.rows, RowSampler(group.rows, self._device).draw(group.logits), group.cache)
            groups.append((group.rows, group.cache))
        for members, cache in groups:
            kept = [at for at, row in enumerate(members) if row.open]
            if kept:
                rows += [members[at] for at in kept]
                parts.append((cache, kept))
        if not rows:
            return None
        longest = max(row.length for row in rows) - 1  # the newest token of each is yet to be read
        padding = torch.tensor([longest + 1 - row.length for row in rows], device=self._device)
        return _Batch(
            rows,
            RowCache.merged(parts, longest),
            RowSampler(rows, self._device),
            torch.tensor([row.tokens[-1:] for row in rows], device=self._device),
            torch.tensor([[row.length - 1] for row in rows], device=self._device),
            (torch.arange(longest + _BLOCK, device=self._device) >= padding[:, None]).long(),
        )

    def _advance(self, rows: Sequence[Row], drawn: torch.Tensor, cache: RowCache) -> None:
        for at, (row, token) in enumerate(zip(rows, drawn.tolist(), strict=True)):
            if not row.open:
                continue
            self._answers.advance(row, token)
            if row.whole and row.finish_reason in ("stop", "length"):
                self._reader.keep(row, cache, at)
