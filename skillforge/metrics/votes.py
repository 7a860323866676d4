"""VoteSummary: what the votes of a run came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

import msgspec

from skillforge.metrics.intervals import Estimate, estimate
from skillforge.parts.grader import VerdictState


class HeldVote(Protocol):
    """What the metrics need to know of the vote on one problem."""

    @property
    def state(self) -> VerdictState: ...
    @property
    def ballots(self) -> int: ...
    @property
    def fallback(self) -> bool: ...
    @property
    def early(self) -> bool: ...
    @property
    def cancelled(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def tokens(self) -> int | None: ...


class VoteSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The votes of one run, each on one problem."""

    voter: str
    """Name, version, and the options that are not at their defaults."""

    accuracy: Estimate
    """Share of problems whose vote is correct: `no-answer` is not, `error` is left out."""

    problems: int
    no_answer: int
    """Problems on which no sample voted."""

    error: int
    """Problems on which no vote was possible."""

    ballots_mean: float | None
    """Samples that a vote was held over, on average."""

    fallbacks: int = 0
    """Votes that were not held in the voter's own way, which could not be gone."""

    early_stops: int
    """Votes that were decided before all samples were made."""

    cancelled: int
    """Samples that were given up, or never begun, because a vote was decided or its time was up."""

    restarts: int
    """Attempts that were thrown away because their answers must not count."""

    tokens: int | None = None
    """Tokens that the model generated, with those of such attempts; None where some are not known."""


def summarise_votes(voter: str, votes: Iterable[HeldVote]) -> VoteSummary:
    """The metrics of `votes`, which the voter described by `voter` held."""
    states: Counter[VerdictState] = Counter()
    ballots = fallbacks = early = cancelled = restarts = 0
    tokens: int | None = 0
    for vote in votes:
        states[vote.state] += 1
        ballots += vote.ballots
        fallbacks += vote.fallback
        early += vote.early
        cancelled += vote.cancelled
        restarts += vote.restarts
        tokens = None if tokens is None or vote.tokens is None else tokens + vote.tokens
    problems = states.total()
    return VoteSummary(
        voter=voter,
        accuracy=estimate(
            (number, 1)
            for state, times in states.items()
            if state != "error"
            for number in [state == "correct"] * times
        ),
        problems=problems,
        no_answer=states["no-answer"],
        error=states["error"],
        ballots_mean=ballots / problems if problems else None,
        fallbacks=fallbacks,
        early_stops=early,
        cancelled=cancelled,
        restarts=restarts,
        tokens=tokens,
    )
