"""Counting ballots by their classes of equal answers."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from skillforge import Ballot, Vote


def classes(ballots: Sequence[Ballot]) -> list[list[int]]:
    """The positions of the ballots for each answer, in the order of their first ones. Abstentions are in none."""
    found: dict[int | None, list[int]] = {}
    for position, ballot in enumerate(ballots):
        if ballot.answer is not None:
            found.setdefault(ballot.group, []).append(position)
    return list(found.values())


def elect(ballots: Sequence[Ballot], weights: Sequence[float] | None = None) -> Vote | None:
    """The answer with the most weight (default: 1 each), as its first ballot writes it; of equals, the one voted for first.

    `weights` belong to `ballots`, in order; those of abstentions do not count.
    """
    found = classes(ballots)
    if not found:
        return None
    sums = [fsum(weights[position] for position in members) if weights else float(len(members)) for members in found]
    best = max(range(len(found)), key=sums.__getitem__)
    total = fsum(sums)
    answer = ballots[found[best][0]].answer
    assert answer is not None
    return Vote(answer=answer, supporters=tuple(found[best]), share=sums[best] / total if total else None)
