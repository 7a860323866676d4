"""The votes of runs, as a table of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skillforge.metrics.intervals import Estimate
from skillforge.metrics.votes import VoteSummary
from skillforge.pipeline.tables import Table, interval, percent, side_by_side


def vote_table(votes: Sequence[tuple[str, VoteSummary | None]]) -> Table:
    """What the votes of some runs came to, a column a run; without rows where none has voted."""
    facts = [dict(_facts(summary)) if summary else {} for _, summary in votes]
    return side_by_side("Vote", [name for name, _ in votes], facts)


def comparison_table(run: str, votes: VoteSummary, single: Estimate, run_voter: str | None) -> Table:
    """The accuracy of the votes beside that of single samples."""
    made_with = f", made with the voter {run_voter}" if run_voter else ""
    rows = [
        (name, percent(accuracy.value), interval(accuracy), str(accuracy.n))
        for name, accuracy in ((f"vote: {votes.voter}", votes.accuracy), ("single samples", single))
    ]
    return Table(f"Votes over {run}{made_with}", ("", "accuracy", "interval", "problems"), rows)


def _facts(votes: VoteSummary) -> Iterator[tuple[str, str]]:
    yield "voter", votes.voter
    yield "accuracy", percent(votes.accuracy.value)
    yield "interval", interval(votes.accuracy)
    yield "problems", f"{votes.problems:,}"
    yield "without an answer, in error", f"{votes.no_answer:,}, {votes.error:,}"
    if votes.ballots_mean is not None:
        yield "samples of a problem", f"{votes.ballots_mean:.1f}"
    if votes.fallbacks:
        yield "not held in the voter's own way", f"{votes.fallbacks:,}"
    if votes.early_stops or votes.cancelled:
        yield "decided early, samples not made", f"{votes.early_stops:,}, {votes.cancelled:,}"
    if votes.restarts:
        tokens = "" if votes.tokens is None else f" ({votes.tokens:,} completion tokens with what was thrown away)"
        yield "samples restarted", f"{votes.restarts:,}{tokens}"
