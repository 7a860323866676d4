"""Means of graded samples with confidence intervals.

References: E. B. Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference"; E. Miller
(2024), "Adding Error Bars to Evals", arXiv 2411.00640.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import fsum, sqrt
from statistics import NormalDist
from typing import Literal, NamedTuple

import msgspec


class Interval(NamedTuple):
    """A two-sided confidence interval, in the unit of what was measured."""

    low: float
    high: float


class ClusteredMean(NamedTuple):
    """A mean over clusters. `stderr` and `interval` are None where one cluster alone tells nothing of the spread."""

    mean: float
    interval: Interval | None
    stderr: float | None
    clusters: int


class Estimate(msgspec.Struct, frozen=True):
    """An accuracy (0 to 1) with its 95 % interval; all three are None where nothing was graded."""

    value: float | None
    low: float | None
    high: float | None
    method: Literal["wilson", "clustered"]
    n: int
    """Problems that it rests on: those with at least one graded sample."""


def wilson(successes: int, total: int, confidence: float = 0.95) -> Interval | None:
    """Wilson's score interval of a proportion, within 0 to 1; None for `total` = 0, of which nothing is known.

    Unlike p ± z·√(p(1-p)/n) it keeps its coverage for small n and for 0 or n successes.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be within 0 and total: got {successes} of {total}")
    if total == 0:
        return None
    low, high = _score_interval(successes / total, total, confidence)
    return Interval(0.0 if successes == 0 else low, 1.0 if successes == total else high)


def clustered_mean(
    clusters: Iterable[tuple[float, int]],
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> ClusteredMean | None:
    """Mean over clusters of each cluster's own mean, with a cluster-robust interval. None without any sample.

    A cluster is (sum of its scores, number of its samples): one problem and its repeated samples. Every problem weighs
    the same, however many of its samples could be graded: for equal sizes k this is avg@k, the plain mean of all
    samples. Clusters of no sample are left out.

    The standard error is √(Σᵢ(mᵢ - m)² / (N(N-1))) over the N cluster means mᵢ: for equal sizes that is the clustered
    standard error of Miller (2024) times √(N/(N-1)), the usual correction for small N. It holds whatever
    the correlation within a problem. The interval is m ± z·stderr cut to `bounds`, and of no width where all cluster
    means are equal (`estimate` knows better there).
    """
    means: Counter[float] = Counter()
    for total, count in clusters:
        if count < 0:
            raise ValueError(f"a cluster cannot have {count} samples")
        if count:
            means[total / count] += 1
    number = means.total()
    if number == 0:
        return None
    if len(means) == 1:
        mean = next(iter(means))
        if number == 1:
            return ClusteredMean(mean, None, None, 1)
        return ClusteredMean(mean, Interval(mean, mean), 0.0, number)
    mean = fsum(value * times for value, times in means.items()) / number
    squares = fsum((value - mean) ** 2 * times for value, times in means.items())
    stderr = sqrt(squares / (number * (number - 1)))
    reach = normal_quantile(confidence) * stderr
    return ClusteredMean(mean, Interval(max(bounds[0], mean - reach), min(bounds[1], mean + reach)), stderr, number)


def estimate(clusters: Iterable[tuple[float, int]], confidence: float = 0.95) -> Estimate:
    """Accuracy from each problem's (correct samples, graded samples), or another mean from (score, 1).

    With at most one graded sample a problem, right or wrong: Wilson. With more: `clustered_mean` (avg@k). Where the
    spread between problems cannot be seen (a single problem, or all problem means equal, as when everything is correct)
    a clustered interval would have no width; then it is Wilson's with n = problems, which is never too narrow, since a
    problem's mean varies at most as much as one sample does.
    """
    kinds = Counter(cluster for cluster in clusters if cluster[1])
    if all(graded == 1 and right in (0, 1) for right, graded in kinds):
        right, problems = kinds[1, 1], kinds.total()
        interval = wilson(right, problems, confidence)
        if interval is None:
            return Estimate(None, None, None, "wilson", 0)
        return Estimate(right / problems, *interval, "wilson", problems)
    found = clustered_mean(kinds.elements(), confidence)
    assert found is not None
    if found.interval is not None and found.stderr:
        return Estimate(found.mean, *found.interval, "clustered", found.clusters)
    low, high = _score_interval(found.mean, found.clusters, confidence)
    return Estimate(
        found.mean, 0.0 if found.mean == 0 else low, 1.0 if found.mean == 1 else high, "wilson", found.clusters
    )


def normal_quantile(confidence: float) -> float:
    """Half-width in standard errors of a two-sided normal interval: 1.96 for 0.95."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1: got {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _score_interval(share: float, number: int, confidence: float) -> Interval:
    z = normal_quantile(confidence)
    scale = 1 + z * z / number
    centre = (share + z * z / (2 * number)) / scale
    reach = z * sqrt(share * (1 - share) / number + z * z / (4 * number * number)) / scale
    return Interval(max(0.0, centre - reach), min(1.0, centre + reach))
