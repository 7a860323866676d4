"""Drawing tokens: every row by its own settings and its own random numbers, whatever rows it runs with.

The order is that of transformers: penalties, temperature, top_k, top_p, min_p. A step of a row takes one random number,
a pure function of the row's seed and of how many tokens the row has: the same on every device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from skillforge_transformers.row import Row

_FIRST_LOOK = 512  # candidates to rank before the whole vocabulary is sorted, which costs 30 times as much


class RowSampler:
    """Draws the next token of each of some rows, step after step, from their logits (rows, vocabulary)."""

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        self._rows = rows
        self._device = device
        self._drawn = [at for at, row in enumerate(rows) if not row.greedy]
        self._drawn_index = None if len(self._drawn) == len(rows) else torch.tensor(self._drawn, device=device)
        self._truncation = Truncation([rows[at] for at in self._drawn], device) if self._drawn else None
        self._penalties: Penalties | None = None
        self._penalised = any(_penalised(row) for row in rows)
        self._told = [at for at, row in enumerate(rows) if row.sampling.logprobs is not None]

    def draw(self, logits: torch.Tensor) -> torch.Tensor:
        """The next token of each row, (rows,); -1 for a row whose logits hold NaN. Rows that ended get any token."""
        logits = logits.float()
        scores = self._penalise(logits) if self._penalised else logits
        best, tokens = scores.max(dim=-1)
        tokens = tokens.masked_fill(best.isnan(), -1)
        if self._truncation is not None:
            index = self._drawn_index
            drawn = self._pick(self._truncation.apply(scores if index is None else scores[index]))
            drawn = drawn.masked_fill((tokens if index is None else tokens[index]) < 0, -1)
            tokens = drawn if index is None else tokens.index_copy(0, index, drawn)
        if self._told:
            self._store_logprobs(logits, tokens)
        if self._penalties is not None:
            self._penalties.count(tokens.clamp(min=0))
        return tokens

    def _penalise(self, scores: torch.Tensor) -> torch.Tensor:
        if self._penalties is None:
            self._penalties = Penalties(self._rows, scores.shape[-1], self._device)
        return self._penalties.apply(scores)

    def _pick(self, scores: torch.Tensor) -> torch.Tensor:
        """The token at which each row's number falls, with the tokens' probabilities laid end to end from 0 to 1.

        In float64, so that rounding moves a border by less than the model's own rounding does.
        """
        numbers = [uniform(row.seed, len(row.tokens)) for row in (self._rows[at] for at in self._drawn)]
        reached = scores.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
        wanted = torch.tensor(numbers, dtype=torch.float64, device=self._device)[:, None] * reached[:, -1:]
        return torch.searchsorted(reached, wanted, right=True)[:, 0].clamp(max=scores.shape[-1] - 1)

    def _store_logprobs(self, logits: torch.Tensor, tokens: torch.Tensor) -> None:
        """Log-probabilities by the model's own distribution: before penalties, temperature and truncation."""
        told = torch.tensor(self._told, device=self._device)
        chosen = tokens[told].clamp(min=0)
        logprobs = logits[told].log_softmax(dim=-1)
        most = max(self._rows[at].sampling.logprobs or 0 for at in self._told)
        values, ids = logprobs.topk(min(most, logprobs.shape[-1]), dim=-1)
        own = logprobs.gather(1, chosen[:, None])[:, 0]
        for at, token, logprob, top_ids, top in zip(
            self._told, chosen.tolist(), own.tolist(), ids.tolist(), values.tolist(), strict=True
        ):
            row = self._rows[at]
            if row.open:
                count = row.sampling.logprobs or 0
                del row.logprobs[len(row.tokens) :]  # left over from a step that failed and is done again
                row.logprobs.append((token, logprob, list(zip(top_ids[:count], top[:count], strict=True))))


class Penalties:
    """Penalties for tokens that occurred: `repetition` counts the prompt too, `presence` and `frequency` do not."""

    def __init__(self, rows: Sequence[Row], vocabulary: int, device: torch.device) -> None:
        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, device=device)[:, None]

        self._repetition = column([row.sampling.repetition_penalty or 1.0 for row in rows])
        self._presence = column([row.sampling.presence_penalty or 0.0 for row in rows])
        self._frequency = column([row.sampling.frequency_penalty or 0.0 for row in rows])
        self._counts = torch.zeros(len(rows), vocabulary, device=device)
        self._seen = torch.zeros(len(rows), vocabulary, dtype=torch.bool, device=device)
        for at, row in enumerate(rows):
            generated = torch.tensor(row.tokens, dtype=torch.long, device=device)
            self._counts[at] = torch.bincount(generated, minlength=vocabulary)
            self._seen[at, torch.tensor(row.prompt_ids + row.tokens, device=device)] = True

    def count(self, tokens: torch.Tensor) -> None:
        """Take note of each row's newest token."""
        self._counts.scatter_add_(1, tokens[:, None], torch.ones_like(tokens[:, None], dtype=self._counts.dtype))
        self._seen.scatter_(1, tokens[:, None], True)

    def apply(self, scores: torch.Tensor) -> torch.Tensor:
        """`scores` after all three penalties."""
        repeated = torch.where(scores < 0, scores * self._repetition, scores / self._repetition)
        scores = torch.where(self._seen, repeated, scores)
        return scores - self._frequency * self._counts - self._presence * (self._counts > 0)


class Truncation:
    """Temperature, top_k, top_p and min_p, each row by its own. Tokens as likely as the last one kept are kept too."""

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

        top_k = [row.sampling.top_k for row in rows]
        top_p = [_or(row.sampling.top_p, 1.0) for row in rows]
        min_p = [_or(row.sampling.min_p, 0.0) for row in rows]
        self._temperature = column([row.sampling.temperature or 1.0 for row in rows])
        self._ranked = any(top_k) or min(top_p) < 1
        self._most = max((k or 0) for k in top_k) if all(top_k) else None
        self._top_k = column([k or math.inf for k in top_k])
        # Beyond reach where it is off: rounding must not cut a tail that nobody asked to cut.
        self._top_p = column([p if p < 1 else math.inf for p in top_p])
        self._floor = column([math.log(p) if p > 0 else -math.inf for p in min_p]) if max(min_p) > 0 else None

    def apply(self, scores: torch.Tensor) -> torch.Tensor:
        """Scaled scores, those of the tokens that are out at -inf."""
        scores = scores / self._temperature
        thresholds = [] if self._floor is None else [scores.amax(dim=-1, keepdim=True) + self._floor]
        if self._ranked:
            thresholds.append(self._lowest_kept(scores))
        for threshold in thresholds:
            scores = scores.masked_fill(scores < threshold, -math.inf)
        return scores

    def _lowest_kept(self, scores: torch.Tensor) -> torch.Tensor:
        """The score of the last token that top_k and top_p keep, (rows, 1); -inf where they keep all."""
        vocabulary = scores.shape[-1]
        width = min(vocabulary, self._most or _FIRST_LOOK)
        found, complete = self._rank(scores, width)
        if width < vocabulary and not complete:
            found, _ = self._rank(scores, vocabulary)
        return found

    def _rank(self, scores: torch.Tensor, width: int) -> tuple[torch.Tensor, bool]:
        """The threshold by the `width` best tokens, and whether looking at more could change it."""
        best = scores.topk(width, dim=-1).values
        rank = torch.arange(width, device=scores.device)
        within_k = rank < self._top_k
        by_k = self._top_k <= width
        mass_of_k = best.masked_fill(~within_k, -math.inf).logsumexp(dim=-1, keepdim=True)
        mass = torch.where(by_k, mass_of_k, scores.logsumexp(dim=-1, keepdim=True))
        share = (best - mass).exp()
        reached = share.cumsum(dim=-1)
        kept = within_k & (reached - share < self._top_p)
        kept[:, 0] = True
        count = kept.sum(dim=-1, keepdim=True)
        unlimited = self._top_k.isinf() & self._top_p.isinf()
        threshold = best.gather(1, count - 1).masked_fill(unlimited, -math.inf)
        settled = unlimited | by_k | (self._top_k.isinf() & (reached[:, -1:] >= self._top_p))
        return threshold, bool(settled.all())


def uniform(seed: int, step: int) -> float:
    """The random number of one step of one row, from 0 to below 1: splitmix64 over both."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + 0x2545F4914F6CDD1D) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((value ^ (value >> 31)) >> 16) / 2**48


_MASK = 2**64 - 1


def _penalised(row: Row) -> bool:
    settings = row.sampling
    return bool((settings.repetition_penalty or 1) != 1 or settings.presence_penalty or settings.frequency_penalty)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
