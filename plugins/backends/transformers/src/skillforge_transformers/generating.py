"""Batches through `generate`, for models that keep more than keys and values: their rows cannot join or leave midway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from skillforge_transformers.answers import Answers
from skillforge_transformers.feed import Feed
from skillforge_transformers.loading import Loaded
from skillforge_transformers.row import Row
from skillforge_transformers.sampling import RowSampler


class GenerateEngine:
    """Runs rows of about one length with one call of `generate`. For one thread."""

    def __init__(self, loaded: Loaded, answers: Answers) -> None:
        self._loaded = loaded
        self._answers = answers

    def run(self, rows: Sequence[Row], feed: Feed) -> None:
        """Generate until all is done, until `feed` says that it is enough, or until a row fills the context.

        An answer is handed over as soon as its row ends.
        """
        draw = _Draw(RowSampler(rows, self._loaded.device))
        watch = _Watch(self._answers, rows, draw, feed)
        config = GenerationConfig(do_sample=False, use_cache=True, max_new_tokens=self._steps(rows))
        input_ids, mask = self._pad([row.prompt_ids + row.tokens for row in rows])
        with torch.inference_mode():
            self._loaded.model.generate(
                input_ids=input_ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=LogitsProcessorList([draw]),
                stopping_criteria=StoppingCriteriaList([watch]),
            )

    def forget(self) -> None:
        """Nothing is kept."""

    def _steps(self, rows: Sequence[Row]) -> int:
        """Tokens to generate. Rows that are done run on idly, and must not run past the positions that there are."""
        wanted = max(row.max_tokens - len(row.tokens) for row in rows)
        if self._loaded.context is None:
            return wanted
        return min(wanted, self._loaded.context - max(row.length for row in rows))

    def _pad(self, sequences: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask, (rows, longest) each, padded on the left. Which id pads does not matter."""
        longest = max(map(len, sequences))
        ids = torch.tensor([[0] * (longest - len(sequence)) + sequence for sequence in sequences])
        mask = torch.tensor([[0] * (longest - len(sequence)) + [1] * len(sequence) for sequence in sequences])
        return ids.to(self._loaded.device), mask.to(self._loaded.device)


class _Draw(LogitsProcessor):
    """Leaves `generate`, which takes the likeliest token, no other than the one that was drawn."""

    def __init__(self, sampler: RowSampler) -> None:
        self._sampler = sampler
        self.drawn = torch.empty(0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.drawn = self._sampler.draw(scores)
        return torch.full_like(scores, -torch.inf).scatter(1, self.drawn.clamp(min=0)[:, None], 0.0)


class _Watch(StoppingCriteria):
    """Follows every row token by token: what `generate` asks after each step."""

    def __init__(self, answers: Answers, rows: Sequence[Row], draw: _Draw, feed: Feed) -> None:
        self._answers, self._rows, self._draw, self._feed = answers, rows, draw, feed

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        for row, token in zip(self._rows, self._draw.drawn.tolist(), strict=True):
            if row.open:
                self._answers.advance(row, token)
        ended = [not row.open for row in self._rows]
        done = [True] * len(ended) if self._feed.enough(ended.count(False), len(ended)) else ended
        return torch.tensor(done, device=input_ids.device)
