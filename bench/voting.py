"""What stopping a majority vote early saves, and what it costs, on made-up votes.

    python bench/voting.py [--problems 10000] [--samples 48] [--seed 0]

Each line is a distribution of answers and an order of arrival: `in turn`, sample by sample; `shuffled`; `at once`, all samples
begun together, so that short ones come first and those under way have cost tokens when they are cancelled. It tells, for each
risk, the share of samples and of tokens that were not made, and the share of problems whose winner is not that of the full
vote. Without risk there must be none: the command ends with exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from skillforge import Ballot, Problem, Sample
from skillforge_plurality_voters import StoppingOptions, elect, is_decided

RISKS = (0.05, 0.01, 0.0)
"""The highest first: where that does not stop, no lower one does."""

MEAN_TOKENS = 900.0


class Made(NamedTuple):
    """A sample: what it votes for (None: nothing), and its tokens."""

    answer: int | None
    tokens: int


class Stop(NamedTuple):
    """Where a vote was stopped: samples made, tokens spent, whether the winner is that of the full vote."""

    samples: int
    tokens: int
    kept: bool


# Distributions: the shares of a problem's answers, the last of them of none at all -----------------------------------


def easy(rng: random.Random) -> Sequence[float]:
    right = rng.uniform(0.75, 0.99)
    return (right, *_split(1 - right, 3, rng), 0.01)


def contested(rng: random.Random) -> Sequence[float]:
    first = rng.uniform(0.4, 0.48)
    return (first, 0.88 - first, 0.06, 0.04, 0.02)


def many_answers(rng: random.Random) -> Sequence[float]:
    leader = rng.uniform(0.05, 0.4)
    return (leader, *_split(0.95 - leader, 30, rng), 0.05)


def mostly_silent(rng: random.Random) -> Sequence[float]:
    silent = rng.uniform(0.5, 0.95)
    voting = 1 - silent
    return (0.6 * voting, *_split(0.4 * voting, 4, rng), silent)


def anything(rng: random.Random) -> Sequence[float]:
    return (*_split(0.9, rng.randint(2, 8), rng), 0.1)


DISTRIBUTIONS: Sequence[Callable[[random.Random], Sequence[float]]] = (
    easy,
    contested,
    many_answers,
    mostly_silent,
    anything,
)


def _split(whole: float, parts: int, rng: random.Random) -> list[float]:
    """`whole` in `parts`, by a uniform Dirichlet distribution."""
    drawn = [rng.expovariate(1.0) for _ in range(parts)]
    return [whole * part / sum(drawn) for part in drawn]


def draw(shares: Sequence[float], samples: int, rng: random.Random) -> list[Made]:
    answers = rng.choices([*range(len(shares) - 1), None], shares, k=samples)
    return [Made(answer, 1 + int(rng.lognormvariate(0.0, 0.6) * MEAN_TOKENS)) for answer in answers]


# Orders of arrival ---------------------------------------------------------------------------------------------------


def in_turn(made: Sequence[Made], rng: random.Random) -> list[int]:
    return list(range(len(made)))


def shuffled(made: Sequence[Made], rng: random.Random) -> list[int]:
    return rng.sample(range(len(made)), len(made))


def at_once(made: Sequence[Made], rng: random.Random) -> list[int]:
    return sorted(range(len(made)), key=lambda index: made[index].tokens)


def spent(made: Sequence[Made], order: Sequence[int], stopped: int) -> int:
    """Tokens that were made until `stopped` samples were there."""
    there = sum(made[index].tokens for index in order[:stopped])
    if order != at_once(made, random.Random()):
        return there
    return there + made[order[stopped - 1]].tokens * (len(made) - stopped)


# Votes ---------------------------------------------------------------------------------------------------------------


class Polls:
    """Votes over samples that differ in their indices only."""

    def __init__(self, samples: int) -> None:
        problem = Problem(id="p", question="?")
        self._samples = [
            Sample(benchmark="b", split="s", problem=problem, sample_index=index) for index in range(samples)
        ]

    def ballots(self, made: Sequence[Made], indices: Sequence[int]) -> list[Ballot]:
        return [
            Ballot(
                sample=self._samples[index],
                answer=None if made[index].answer is None else str(made[index].answer),
                group=made[index].answer,
            )
            for index in sorted(indices)
        ]

    def stops(self, made: Sequence[Made], order: Sequence[int]) -> Iterator[Stop]:
        """Where each risk stops the vote, in the order of RISKS."""
        full = elect(self.ballots(made, order))
        arrived = 1
        for risk in RISKS:
            options = StoppingOptions(risk=risk)
            while not is_decided(self.ballots(made, order[:arrived]), len(made) - arrived, options):
                arrived += 1
            early = elect(self.ballots(made, order[:arrived]))
            kept = (early and early.answer) == (full and full.answer)
            yield Stop(arrived, spent(made, order, arrived), kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{arguments.problems:,} problems of {arguments.samples} samples; of samples and tokens: the share not made")
    print(f"{'':23}" + "".join(f" | {f'risk {risk:g}':29}" for risk in reversed(RISKS)))
    print(f"{'':23}" + " | samples  tokens  other winner" * len(RISKS))
    polls, changed, began = Polls(arguments.samples), 0, time.monotonic()
    for distribution in DISTRIBUTIONS:
        for order in (in_turn, shuffled, at_once):
            rng = random.Random(f"{arguments.seed} {distribution.__name__}")
            stops: list[list[Stop]] = [[] for _ in RISKS]
            tokens = 0
            for _ in range(arguments.problems):
                made = draw(distribution(rng), arguments.samples, rng)
                tokens += sum(sample.tokens for sample in made)
                for of_risk, stop in zip(stops, polls.stops(made, order(made, rng)), strict=True):
                    of_risk.append(stop)
            changed += sum(not stop.kept for stop in stops[RISKS.index(0.0)])
            cells = (_cells(of_risk, arguments.samples, tokens) for of_risk in reversed(stops))
            names = (distribution.__name__.replace("_", " "), order.__name__.replace("_", " "))
            print(f"{names[0]:14}{names[1]:9}{''.join(cells)}", flush=True)
    print(f"{changed} winners changed without risk; {time.monotonic() - began:.0f} s")
    return 1 if changed else 0


def _cells(stops: Sequence[Stop], samples: int, tokens: int) -> str:
    problems = len(stops)
    saved = 1 - sum(stop.samples for stop in stops) / (samples * problems)
    unspent = 1 - sum(stop.tokens for stop in stops) / tokens
    other = sum(not stop.kept for stop in stops) / problems
    return f" | {saved:7.1%} {unspent:7.1%} {other:13.2%}"


if __name__ == "__main__":
    sys.exit(main())
