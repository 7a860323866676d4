"""What a sample weighs: by the model's own confidence, the grader's score or a reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, fsum, inf, isfinite, log
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Ballot, CannotVote, PartOptions, Sampling, UsageError, VotePlan

ALTERNATIVES = 5
"""Tokens of which the entropy asks the log-probability: as many as every server gives."""


class WeightOptions(PartOptions, frozen=True, kw_only=True):
    """What a sample weighs."""

    weight: Annotated[
        Literal["logprob", "entropy", "score", "reward"],
        Meta(
            description="logprob: the geometric mean of its tokens' probabilities; entropy: exp(-mean entropy) of the likeliest"
            " tokens at each step; score: the grader's; reward: the logistic function of a reward model's, as an import"
            " brings it along."
        ),
    ] = "logprob"


def plan(options: WeightOptions) -> VotePlan:
    """What the samples must bring along. Raises UsageError for what only imported samples have."""
    if options.weight == "reward":
        raise UsageError(
            "samples that are made have no rewards to vote with (voter.weight=reward)",
            "choose another -o voter.weight; rewards come with a run: skillforge import --reward-field NAME",
        )
    asked = {"logprob": 0, "entropy": ALTERNATIVES}.get(options.weight)
    return VotePlan(sampling=Sampling(logprobs=asked))


def weigh(ballots: Sequence[Ballot], options: WeightOptions) -> list[float]:
    """The weights, at least 0, of `ballots`; 0 of abstentions. Raises CannotVote where one is not known."""
    weight, lacks, fix = _WEIGHTS[options.weight]
    found = []
    for ballot in ballots:
        value = 0.0 if ballot.answer is None else weight(ballot)
        if value is None:
            sample = ballot.sample
            raise CannotVote(f"sample {sample.sample_index} of the problem '{sample.problem.id}' has {lacks}", fix)
        found.append(value)
    return found


def confidence(ballot: Ballot) -> float | None:
    """exp of the mean token log-probability, 0 to 1."""
    values = [_number(token.get("logprob")) for token in ballot.sample.logprobs or ()]
    known = [value for value in values if value is not None]
    return _exp_mean(known) if len(known) == len(values) else None


def certainty(ballot: Ballot) -> float | None:
    """exp of minus the mean entropy (in nats) over the tokens, 0 to 1: 1 where no other token was ever likely.

    The probabilities of a step's alternatives are scaled to sum up to 1.
    """
    found = []
    for token in ballot.sample.logprobs or ():
        top = token.get("top")
        values = [_number(value) for value in top.values()] if isinstance(top, dict) else []
        known = [exp(value) for value in values if value is not None]
        if len(known) < 2 or len(known) < len(values) or not (total := fsum(known)):
            return None
        found.append(fsum(part * log(part) for value in known if (part := value / total)))
    return _exp_mean(found)


def score(ballot: Ballot) -> float | None:
    """The grader's score."""
    known = ballot.score is not None and isfinite(ballot.score) and ballot.score >= 0
    return ballot.score if known else None


def reward(ballot: Ballot) -> float | None:
    """The sample's reward as a probability: reward models give logits, which may be negative."""
    found = ballot.sample.reward
    if found is None or not isfinite(found):
        return None
    return 1 / (1 + exp(-found)) if found >= 0 else exp(found) / (1 + exp(found))


_WEIGHTS: Mapping[str, tuple[Callable[[Ballot], float | None], str, str]] = {
    "logprob": (
        confidence,
        "no log-probabilities",
        "make the samples with --logprobs 0, or choose another -o voter.weight",
    ),
    "entropy": (
        certainty,
        "no log-probabilities of alternative tokens",
        f"make the samples with --logprobs {ALTERNATIVES}, or choose another -o voter.weight",
    ),
    "score": (
        score,
        "no score, at least 0, from its grader",
        "grade the run with a grader that gives scores, or choose another -o voter.weight",
    ),
    "reward": (
        reward,
        "no reward",
        "import the run with --reward-field, or choose another -o voter.weight",
    ),
}
"""Name -> the weight, what is lacking where there is none, and what to do."""


def _number(value: object) -> float | None:
    """`value` as a log-probability, where it can be one."""
    if not isinstance(value, int | float):
        return None
    return float(value) if -1e300 < value <= 1e-6 or value == -inf else None


def _exp_mean(values: Sequence[float]) -> float | None:
    return exp(min(0.0, fsum(values) / len(values))) if values else None
