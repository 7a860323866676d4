"""Intervals: textbook values, and that they cover what they claim to cover."""

from __future__ import annotations

import random
from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge.metrics.intervals import clustered_mean, estimate, wilson

proportions = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
clusters = st.lists(st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # Newcombe (1998), "Two-sided confidence intervals for the single proportion", Stat. Med. 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # By hand, z = 1.959964: z²/(n+z²) is the bound for none or all of n.
        (1, 1, 1 / (1 + 3.841459), 1.0),
        (0, 1, 0.0, 3.841459 / 4.841459),
    ],
)
def test_wilson_gives_the_published_bounds(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_unknown_and_nonsense_is_refused() -> None:
    assert wilson(0, 0) is None
    for right, total in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="successes"):
            wilson(right, total)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence=95)


@given(proportions)
def test_wilson_holds_the_share_and_is_symmetric(proportion: tuple[int, int]) -> None:
    right, total = proportion
    interval, mirrored = wilson(right, total), wilson(total - right, total)
    assert interval is not None
    assert mirrored is not None
    assert 0 <= interval.low <= right / total <= interval.high <= 1
    assert interval.low < interval.high
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx(interval)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.83])
def test_wilson_covers_the_truth_about_95_times_in_100(share: float) -> None:
    total, covered = 100, 0.0
    for right in range(total + 1):
        interval = wilson(right, total)
        assert interval is not None
        if interval.low <= share <= interval.high:
            covered += comb(total, right) * share**right * (1 - share) ** (total - right)
    assert 0.925 < covered < 0.975


def test_clustered_mean_of_a_hand_computed_case() -> None:
    # Problem means 0, 1/2, 1, 1: mean 0.625; squares .390625+.015625+2*.140625 = .6875; stderr √(.6875/12) = .239357.
    found = clustered_mean([(0, 2), (1, 2), (2, 2), (2, 2)])
    assert found is not None
    assert found.mean == 0.625
    assert found.stderr == pytest.approx(0.2393568)
    assert found.interval == pytest.approx((0.625 - 1.959964 * 0.2393568, 1.0))
    assert found.clusters == 4


def test_each_problem_weighs_the_same_whatever_its_number_of_samples() -> None:
    found = clustered_mean([(100, 100), (0, 1)])
    assert found is not None
    assert found.mean == 0.5


@given(clusters, st.integers(1, 9))
def test_stderr_is_millers_clustered_one_with_the_small_sample_correction(sizes: list[tuple[int, int]], k: int) -> None:
    scores = [[1.0] * min(right, k) + [0.0] * (k - min(right, k)) for right, _ in sizes]
    found = clustered_mean((sum(problem), k) for problem in scores)
    assert found is not None
    every = [score for problem in scores for score in problem]
    mean = sum(every) / len(every)
    assert found.mean == pytest.approx(mean)
    if len(scores) > 1:
        # Miller (2024): all pairs of samples within one cluster.
        pairs = sum((x - mean) * (y - mean) for problem in scores for x in problem for y in problem)
        corrected = sqrt(max(0.0, pairs) / len(every) ** 2 * len(scores) / (len(scores) - 1))
        assert found.stderr == pytest.approx(corrected, abs=1e-7)


def test_repeating_identical_samples_does_not_narrow_the_interval() -> None:
    problems = [1, 0, 1, 1, 0, 1, 0, 1]
    once = clustered_mean((right, 1) for right in problems)
    many = clustered_mean((right * 64, 64) for right in problems)
    assert once is not None
    assert many is not None
    assert many.interval == once.interval


def test_a_clustered_mean_knows_what_it_cannot_know() -> None:
    assert clustered_mean([]) is None
    assert clustered_mean([(0, 0), (0, 0)]) is None
    alone = clustered_mean([(1, 2), (0, 0)])
    assert alone is not None
    assert (alone.mean, alone.stderr, alone.interval, alone.clusters) == (0.5, None, None, 1)


def test_the_clustered_interval_covers_the_truth_about_95_times_in_100() -> None:
    draw, covered = random.Random(7), 0
    for _ in range(1500):
        skills = [draw.betavariate(1.5, 1) for _ in range(80)]  # mean 0.6
        found = clustered_mean((sum(draw.random() < skill for _ in range(4)), 4) for skill in skills)
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= 0.6 <= found.interval.high
    assert 0.93 < covered / 1500 < 0.965


@given(clusters)
def test_an_estimate_is_an_interval_of_some_width_around_the_mean(problems: list[tuple[int, int]]) -> None:
    found = estimate(problems)
    mean = sum(right / graded for right, graded in problems) / len(problems)
    assert found.value == pytest.approx(mean)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.n == len(problems)


def test_an_estimate_uses_wilson_for_one_sample_and_clusters_for_more() -> None:
    assert estimate([(1, 1), (0, 1), (0, 0)]).method == "wilson"
    assert estimate([(1, 1), (0, 1), (0, 0)]).n == 2
    assert estimate([(1, 2), (0, 1)]).method == "clustered"
    nothing = estimate([(0, 0)])
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (None, None, None, 0)


def test_five_problems_all_solved_every_time_are_not_certainty() -> None:
    found = estimate([(8, 8)] * 5)
    assert (found.value, found.high, found.method) == (1.0, 1.0, "wilson")
    assert found.low == pytest.approx(5 / (5 + 3.841459))
