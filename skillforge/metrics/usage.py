"""Usage: tokens, latency and throughput of a run, eight bytes a number."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import isfinite
from typing import TypeGuard

from skillforge.metrics.outcome import Outcome
from skillforge.metrics.summary import Latency, Throughput, Tokens
from skillforge.parts.backend import MOST_TOKENS


class Usage:
    """Collects what each sample cost. What a backend does not report, or no sample can have, is left out, not counted as 0."""

    def __init__(self) -> None:
        self._prompts = 0
        self._prompt_tokens = 0
        self._completions = array("q")
        self._latencies = array("d")

    def add(self, outcome: Outcome) -> None:
        """Take one sample in."""
        if is_count(outcome.prompt_tokens):
            self._prompts += 1
            self._prompt_tokens += outcome.prompt_tokens
        if is_count(outcome.completion_tokens):
            self._completions.append(outcome.completion_tokens)
        if outcome.latency is not None and isfinite(outcome.latency):
            self._latencies.append(outcome.latency)

    def tokens(self) -> Tokens | None:
        """Totals, means and percentiles; None if no sample reports any tokens."""
        if not self._prompts and not self._completions:
            return None
        ordered = sorted(self._completions)
        total = sum(ordered)
        return Tokens(
            prompt_total=self._prompt_tokens if self._prompts else None,
            prompt_mean=self._prompt_tokens / self._prompts if self._prompts else None,
            completion_total=total if ordered else None,
            completion_mean=total / len(ordered) if ordered else None,
            completion_p50=percentile(ordered, 50),
            completion_p90=percentile(ordered, 90),
            completion_max=ordered[-1] if ordered else None,
        )

    def latency(self) -> Latency | None:
        """Percentiles in seconds; None if no sample reports its latency."""
        ordered = sorted(self._latencies)
        p50, p90, p99 = (percentile(ordered, share) for share in (50, 90, 99))
        if p50 is None or p90 is None or p99 is None:
            return None
        return Latency(p50, p90, p99, ordered[-1])

    def throughput(self, samples: int, wall_seconds: float | None) -> Throughput | None:
        """Samples and completion tokens a second of wall time; None where that time is not known."""
        if wall_seconds is None or not isfinite(wall_seconds) or wall_seconds <= 0:
            return None
        tokens = sum(self._completions) / wall_seconds if self._completions else None
        return Throughput(samples / wall_seconds, tokens)


def is_count(tokens: int | None) -> TypeGuard[int]:
    """Whether a number of tokens is known, and one that a sample can have."""
    return tokens is not None and 0 <= tokens <= MOST_TOKENS


def percentile(ordered: Sequence[float], share: int) -> float | None:
    """The `share`-th percentile (0 to 100) of ascending numbers, None of none.

    Linear between the two neighbours (type 7 of Hyndman and Fan 1996, numpy's default).
    """
    if not ordered:
        return None
    place, hundredths = divmod((len(ordered) - 1) * share, 100)
    low, high = ordered[place], ordered[min(place + 1, len(ordered) - 1)]
    return low + (high - low) * hundredths / 100
