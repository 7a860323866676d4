"""votes.jsonl: what the votes of a run came to, a line a problem."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from skillforge.parts.grader import VerdictState
from skillforge.runs.rows import RowLog, encoded, read_rows, write_lines_atomically

VOTES = "votes.jsonl"
VOTER_CACHE = "voter-cache.jsonl"
"""The file in a run directory that holds the replies of a voter's model."""


class VoteRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the vote on one problem came to."""

    problem_id: str
    state: VerdictState
    """The verdict on the answer; `no-answer` where no sample voted, `error` where no vote was possible."""

    answer: str | None = None
    share: float | None = None
    """The answer's part of all votes that count, 0 to 1, in the voter's weights."""

    ballots: int = 0
    """Samples that the vote was held over, with those that abstained."""

    supporters: tuple[int, ...] = ()
    """Sample indices of the ballots for the answer."""

    reason: str | None = None
    """How the answer was found, or why there is none, where that needs telling."""

    fallback: bool = False
    """Whether the voter's own way could not be gone, so that another one elected."""

    early: bool = False
    """Whether the vote was decided before all samples were made."""

    cancelled: int = 0
    """Samples that were given up, or never begun, because it was decided or its time was up."""

    restarts: int = 0
    """Attempts that were thrown away because their answers must not count."""

    afterwards: bool = False
    """Whether it was held over what is stored, apart from the run that makes the samples, which does not go by it."""

    tokens: int | None = None
    """Tokens that the model generated for this problem, with those of restarted attempts and without those of cancelled
    samples, which nobody tells; None where some are not known."""


def read_votes(run: Path) -> dict[str, VoteRow]:
    """The votes of the run in the folder `run`, by problem; of one that was held again, the last."""
    return {row.problem_id: row for row in read_rows(run / VOTES, VoteRow)}


def vote_log(run: Path, samples: RowLog | None = None) -> RowLog:
    """The log of votes; with `samples`, no vote is on disk before the samples that it was held over."""
    return RowLog(run / VOTES, samples)


def write_votes(run: Path, rows: Iterable[VoteRow]) -> None:
    """Replace the votes of the run in the folder `run`, whole."""
    write_lines_atomically(run / VOTES, (encoded(row) + b"\n" for row in rows))
