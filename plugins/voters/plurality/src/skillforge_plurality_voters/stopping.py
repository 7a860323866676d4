"""When a majority vote is decided before all ballots are in.

Aggarwal et al. 2023, "Let's Sample Step by Step: Adaptive-Consistency", arXiv:2305.11860, stop by the posterior chance that
the leader is the majority of endlessly many samples. Here the number of samples is known, so the chance is that of the vote
itself; and it is that of the worst case, since a prior over the answers' shares breaks the stated risk where two are close.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from math import comb, fsum
from typing import Annotated, NamedTuple

from msgspec import Meta

from skillforge import MAKING, Ballot, PartOptions
from skillforge_plurality_voters.counting import classes


class StoppingOptions(PartOptions, frozen=True, kw_only=True):
    """When to make no more samples of a problem."""

    early_stop: Annotated[
        bool,
        Meta(description="Make no more samples of a problem once its vote is decided (see risk).", extra=MAKING),
    ] = True
    risk: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Chance that the full vote would have another winner at which a vote counts as decided;"
            " 0: only when no other answer can win any more.",
            extra=MAKING,
        ),
    ] = 0.0


class Standing(NamedTuple):
    """The votes for an answer, and the lowest sample index among them, which wins ties."""

    votes: int
    first: int


def is_decided(ballots: Sequence[Ballot], missing: int, options: StoppingOptions) -> bool:
    """Whether the leader wins, whatever `missing` more ballots say, or with less than `options.risk` of the opposite.

    The ballots that are missing are those of the lowest sample indices that are not there. The chance is the sum, over all
    other answers and one that nobody gave yet, of `chance_to_overtake`.
    """
    if missing <= 0:
        return True
    standings = _standings(ballots)
    if not options.early_stop or not standings:
        return False
    leader = max(standings, key=lambda standing: (standing.votes, -standing.first))
    standings.remove(leader)
    present = {ballot.sample.sample_index for ballot in ballots}
    free = next(index for index in count() if index not in present)
    rivals = [(rival.votes, min(rival.first, free) < leader.first) for rival in (*standings, Standing(0, free))]
    if not any(rival + missing - leader.votes >= (0 if wins_ties else 1) for rival, wins_ties in rivals):
        return True
    chances = (chance_to_overtake(leader.votes - votes, wins_ties, missing) for votes, wins_ties in rivals)
    return fsum(chances) < options.risk


def _standings(ballots: Sequence[Ballot]) -> list[Standing]:
    return [
        Standing(len(members), min(ballots[position].sample.sample_index for position in members))
        for members in classes(ballots)
    ]


@lru_cache(maxsize=2**16)
def chance_to_overtake(lead: int, wins_ties: bool, missing: int) -> float:
    """The chance that an answer makes up for `lead` votes, if all missing ballots go to it or the leader, evenly.

    That is the worst case: an even split overturns a lead more often than one in the leader's favour, and one in the
    rival's seldom lets another take the lead. The chance is a martingale of that split, so that looking after each ballot
    adds nothing to it: a vote that stops below a risk has another winner with less than that risk.
    """
    needed = (lead + missing + (0 if wins_ties else 1) + 1) // 2
    ways: int = sum(comb(missing, votes) for votes in range(max(0, needed), missing + 1))
    return float(ways / 2**missing)
