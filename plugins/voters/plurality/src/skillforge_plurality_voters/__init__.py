"""The voters `majority`, `weighted` and `best-of-n`."""

from __future__ import annotations

from collections.abc import Sequence

from skillforge import Ballot, Vote, VotePlan, Voter, hookimpl
from skillforge_plurality_voters.counting import classes, elect
from skillforge_plurality_voters.stopping import StoppingOptions, is_decided
from skillforge_plurality_voters.weights import WeightOptions, plan, weigh

__all__ = ["StoppingOptions", "classes", "elect", "is_decided"]

SKILLFORGE_CONTRACT = 1


class MajorityVoter(Voter):
    """Every sample has one vote; of equal counts, the answer that was voted for first wins."""

    name = "majority"
    summary = "The answer that most samples give; stops once it is decided."
    source = "Wang et al. 2022, arXiv:2203.11171; early stop: Aggarwal et al. 2023, arXiv:2305.11860"
    Options = StoppingOptions

    def vote(self, ballots: Sequence[Ballot], options: StoppingOptions) -> Vote | None:
        return elect(ballots)

    def decided(self, ballots: Sequence[Ballot], missing: int, options: StoppingOptions) -> bool:
        return is_decided(ballots, missing, options)


class WeightedVoter(Voter):
    """Every sample votes with its weight."""

    name = "weighted"
    summary = "The answer with the most weight: log-probability, entropy or score."
    Options = WeightOptions

    def plan(self, options: WeightOptions) -> VotePlan:
        return plan(options)

    def vote(self, ballots: Sequence[Ballot], options: WeightOptions) -> Vote | None:
        return elect(ballots, weigh(ballots, options))


class BestOfNVoter(Voter):
    """The sample with the most weight decides alone; of equals, the first."""

    name = "best-of-n"
    summary = "The answer of the one best sample, by log-probability, entropy or score."
    Options = WeightOptions

    def plan(self, options: WeightOptions) -> VotePlan:
        return plan(options)

    def vote(self, ballots: Sequence[Ballot], options: WeightOptions) -> Vote | None:
        weights = weigh(ballots, options)
        able = [position for position, ballot in enumerate(ballots) if ballot.answer is not None]
        if not able:
            return None
        best = max(able, key=weights.__getitem__)
        answer = ballots[best].answer
        assert answer is not None
        return Vote(answer=answer, supporters=(best,))


_VOTERS = {voter.name: voter for voter in (MajorityVoter, WeightedVoter, BestOfNVoter)}


@hookimpl
def skillforge_voter(name: str) -> Voter:
    return _VOTERS[name]()
