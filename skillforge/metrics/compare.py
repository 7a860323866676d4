"""Paired comparison of two runs over the same problems.

Pairing removes what problems have in common (some are hard for every model), so it sees smaller differences than two
separate intervals do: E. Miller (2024), "Adding Error Bars to Evals", arXiv 2411.00640.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import comb
from statistics import NormalDist
from typing import Literal

import msgspec

from skillforge.errors import UsageError
from skillforge.metrics.intervals import Interval, clustered_mean, wilson
from skillforge.metrics.order import natural
from skillforge.metrics.outcome import Outcome
from skillforge.parts.grader import VerdictState
from skillforge.text import one_line

States = Mapping[str, Sequence[VerdictState]] | Iterable[tuple[str, Sequence[VerdictState]]]
"""Problem id -> the states of its samples, as a mapping or as pairs; an id may come in several pairs."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How run B differs from run A. Accuracies are means over the compared problems of each problem's mean."""

    problems: int
    """Problems compared: in both runs, with a graded sample in each."""

    left_out: int
    """Problems in both runs where one has no graded sample (only errors)."""

    only_a: int
    only_b: int
    accuracy_a: float | None
    accuracy_b: float | None
    difference: float | None
    """B - A, from -1 to 1. None, like all that follows from it, where no problem could be compared."""

    low: float | None
    high: float | None
    """95 % interval of the difference."""

    stderr: float | None
    """Standard error of the difference; None for a single problem."""

    better: int
    worse: int
    """Problems whose mean is higher, lower in B: McNemar's discordant counts b and c, where each has one sample."""

    p_value: float | None
    """Two-sided, for no difference."""

    test: Literal["mcnemar-exact", "paired-z", "sign"] | None
    gained: list[str]
    """Problems solved by B and not by A, in natural order. Solved: more than half of the graded samples are correct."""

    lost: list[str]


class DifferentProblems(UsageError):
    """The two runs are not of the same problems."""

    def __init__(self, only_a: Sequence[str], only_b: Sequence[str]) -> None:
        self.only_a, self.only_b = list(only_a), list(only_b)
        super().__init__(
            f"the runs have different problems: {_some(only_a)} only in the first, {_some(only_b)} only in the second",
            "compare runs of the same problems, or ask for the common ones only",
        )


def states_of(outcomes: Iterable[Outcome]) -> dict[str, list[VerdictState]]:
    """The states of each problem's samples, for `compare`."""
    states: dict[str, list[VerdictState]] = {}
    for outcome in outcomes:
        states.setdefault(outcome.problem_id, []).append(outcome.state)
    return states


def compare(a: States, b: States, *, common_only: bool = False) -> Comparison:
    """Compare run `b` with run `a`, problem by problem. Errors are left out; `no-answer` is not correct.

    Raises DifferentProblems if a problem is in one run only, unless `common_only`.

    The interval is the mean of the per-problem differences ± 1.96 standard errors (`clustered_mean`). Where all N
    differences equal one d, so that their spread cannot be seen, it is (1-h)·d ± h, with h the upper bound of Wilson's
    interval for 0 of N: a share h of problems may differ from d as far as can be, and still not have been seen.

    The test: with one graded sample a problem and run, McNemar's exact test (McNemar 1947: binomial, the discordant
    pairs being equally likely either way). With more, z = difference/stderr, which is normal for many problems (a few
    dozen at least); where stderr is 0 or unknown, the sign test of `better` against `worse`.
    """
    counts_a, counts_b = _counts(a), _counts(b)
    only_a = sorted(counts_a.keys() - counts_b.keys(), key=natural)
    only_b = sorted(counts_b.keys() - counts_a.keys(), key=natural)
    if (only_a or only_b) and not common_only:
        raise DifferentProblems(only_a, only_b)
    common = sorted(counts_a.keys() & counts_b.keys(), key=natural)
    pairs = {id: (counts_a[id], counts_b[id]) for id in common if counts_a[id][1] and counts_b[id][1]}
    # Over one denominator and rounded once, so that equal differences are equal numbers (0.3 - 0.1 is not 0.2).
    differences = [
        (right_b * graded_a - right_a * graded_b) / (graded_a * graded_b)
        for (right_a, graded_a), (right_b, graded_b) in pairs.values()
    ]
    better, worse = sum(value > 0 for value in differences), sum(value < 0 for value in differences)
    single = all(graded_a == graded_b == 1 for (_, graded_a), (_, graded_b) in pairs.values())
    difference, stderr, interval = _difference(differences)
    test, p_value = _test(difference, stderr, better, worse, single)
    return Comparison(
        problems=len(pairs),
        left_out=len(common) - len(pairs),
        only_a=len(only_a),
        only_b=len(only_b),
        accuracy_a=_mean(side for side, _ in pairs.values()),
        accuracy_b=_mean(side for _, side in pairs.values()),
        difference=difference,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        stderr=stderr,
        better=better,
        worse=worse,
        p_value=p_value,
        test=test,
        gained=[id for id, (side_a, side_b) in pairs.items() if _solved(side_b) and not _solved(side_a)],
        lost=[id for id, (side_a, side_b) in pairs.items() if _solved(side_a) and not _solved(side_b)],
    )


def sign_test(better: int, worse: int) -> float:
    """Exact two-sided p-value of `better` against `worse` where both are equally likely: McNemar's exact test."""
    number = better + worse
    tail = sum(comb(number, x) for x in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << number))


def _counts(run: States) -> dict[str, tuple[int, int]]:
    """Problem id -> (correct samples, graded samples)."""
    counts: dict[str, tuple[int, int]] = {}
    for id, states in run.items() if isinstance(run, Mapping) else run:
        right, graded = counts.get(id, (0, 0))
        counts[id] = right + list(states).count("correct"), graded + sum(state != "error" for state in states)
    return counts


def _mean(sides: Iterable[tuple[int, int]]) -> float | None:
    found = clustered_mean(sides)
    return found.mean if found else None


def _difference(differences: Sequence[float]) -> tuple[float | None, float | None, Interval | None]:
    found = clustered_mean(((value, 1) for value in differences), bounds=(-1.0, 1.0))
    if found is None:
        return None, None, None
    if found.stderr:
        return found.mean, found.stderr, found.interval
    unseen = wilson(0, found.clusters)
    assert unseen is not None
    centre = (1 - unseen.high) * found.mean
    return found.mean, found.stderr, Interval(centre - unseen.high, centre + unseen.high)


def _test(
    difference: float | None, stderr: float | None, better: int, worse: int, single: bool
) -> tuple[Literal["mcnemar-exact", "paired-z", "sign"] | None, float | None]:
    if difference is None:
        return None, None
    if single:
        return "mcnemar-exact", sign_test(better, worse)
    if not stderr:
        return "sign", sign_test(better, worse)
    return "paired-z", 2 * NormalDist().cdf(-abs(difference / stderr))


def _solved(side: tuple[int, int]) -> bool:
    right, graded = side
    return 2 * right > graded


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(one_line(id, 60) for id in ids[:3])
    return f"{len(ids)} ({shown}{', …' if len(ids) > 3 else ''})" if ids else "none"
