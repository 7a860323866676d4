"""pass@k and maj@k against enumeration of all subsets, and against independent exact counting for larger n."""

from __future__ import annotations

import time
from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge.metrics import plurality
from skillforge.metrics.estimators import ks, maj_at_k, pass_at_k

Groups = list[tuple[int, bool]]


def by_enumeration(groups: Groups, k: int, abstentions: int) -> float:
    """maj@k from its definition: every subset, every tie."""
    samples = [number for number, (votes, _) in enumerate(groups) for _ in range(votes)] + [-1] * abstentions
    right = Fraction(0)
    for subset in combinations(samples, k):
        votes = Counter(sample for sample in subset if sample >= 0)
        winners = [number for number, count in votes.items() if count == max(votes.values())]
        if winners:
            right += Fraction(sum(groups[number][1] for number in winners), len(winners))
    return float(right / comb(len(samples), k))


def by_counting(groups: Groups, k: int, abstentions: int) -> float:
    """maj@k in whole numbers, class by class: it matters how many were drawn, and who leads with how many votes."""

    @cache
    def right(place: int, drawn: int, most: int, winners: int, leaders: int) -> Fraction:
        if place == len(groups):
            rest = comb(abstentions, k - drawn)
            return Fraction(rest * winners, leaders) if leaders and rest else Fraction(0)
        votes, correct = groups[place]
        total = Fraction(0)
        for taken in range(min(votes, k - drawn) + 1):
            if taken and taken > most:
                state = (taken, int(correct), 1)
            elif taken and taken == most:
                state = (most, winners + correct, leaders + 1)
            else:
                state = (most, winners, leaders)
            total += comb(votes, taken) * right(place + 1, drawn + taken, *state)
        return total

    return float(right(0, 0, 0, 0, 0) / comb(sum(votes for votes, _ in groups) + abstentions, k))


small = st.tuples(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=5), st.integers(0, 3)).filter(
    lambda case: 1 <= sum(votes for votes, _ in case[0]) + case[1] <= 11
)


def test_ks_are_the_powers_of_two_and_n() -> None:
    assert [ks(n) for n in (0, 1, 2, 3, 6, 8, 100)] == [
        [], [1], [1, 2], [1, 2, 3], [1, 2, 4, 6], [1, 2, 4, 8], [1, 2, 4, 8, 16, 32, 64, 100],
    ]  # fmt: skip


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(case: tuple[int, int, int]) -> None:
    n, c, k = case
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), rel=1e-14)


def test_pass_at_k_is_exact_where_the_chance_is_tiny_or_n_is_large() -> None:
    assert pass_at_k(10**6, 1, 1) == 1e-6
    assert pass_at_k(100_000, 1, 50_000) == 0.5
    assert pass_at_k(200, 200, 200) == 1.0
    assert pass_at_k(5, 3, 1) == 0.6


@pytest.mark.parametrize(("n", "c", "k"), [(4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1)])
def test_pass_at_k_refuses_what_it_cannot_estimate(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="got"):
        pass_at_k(n, c, k)


@settings(max_examples=150, deadline=None)
@given(small)
def test_maj_at_k_is_the_mean_over_all_subsets(case: tuple[Groups, int]) -> None:
    groups, abstentions = case
    for k in range(1, sum(votes for votes, _ in groups) + abstentions + 1):
        assert maj_at_k(groups, k, abstentions) == pytest.approx(by_enumeration(groups, k, abstentions), abs=1e-13)


@pytest.mark.parametrize(
    ("groups", "abstentions"),
    [
        ([(50, True), (5, False), (3, False), (2, False), (1, False), (1, False)], 2),
        ([(20, True), (20, False), (20, False)], 4),
        ([(1, number == 3) for number in range(40)], 0),
        ([(9, False), (8, True), (8, False), (5, True), (5, False), (2, False)], 11),
        ([(100, False), (90, True), (12, True)], 54),
    ],
)
def test_maj_at_k_equals_exact_counting_for_larger_n(groups: Groups, abstentions: int) -> None:
    for k in ks(sum(votes for votes, _ in groups) + abstentions):
        assert maj_at_k(groups, k, abstentions) == pytest.approx(by_counting(groups, k, abstentions), abs=1e-12)


@given(small)
def test_maj_at_1_is_the_accuracy_and_maj_at_n_is_the_vote_of_all(case: tuple[Groups, int]) -> None:
    groups, abstentions = case
    n = sum(votes for votes, _ in groups) + abstentions
    assert maj_at_k(groups, 1, abstentions) == pytest.approx(sum(votes for votes, right in groups if right) / n)
    most = max((votes for votes, _ in groups), default=0)
    winners = [right for votes, right in groups if votes == most and votes]
    assert maj_at_k(groups, n, abstentions) == pytest.approx(sum(winners) / len(winners) if winners else 0)


@given(small, st.randoms(use_true_random=False))
def test_maj_at_k_depends_on_neither_order_nor_empty_classes(case: tuple[Groups, int], draw: object) -> None:
    groups, abstentions = case
    shuffled = [*groups, (0, True), (0, False)]
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    k = (sum(votes for votes, _ in groups) + abstentions + 1) // 2
    assert maj_at_k(shuffled, k, abstentions) == maj_at_k(groups, k, abstentions)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(0, 20), st.data())
def test_some_class_wins_unless_nobody_votes(sizes: list[int], abstentions: int, data: st.DataObject) -> None:
    n = sum(sizes) + abstentions
    k = data.draw(st.integers(1, n))
    each = [
        maj_at_k([(votes, place == number) for place, votes in enumerate(sizes)], k, abstentions)
        for number in range(len(sizes))
    ]
    assert sum(each) == pytest.approx(1 - comb(abstentions, k) / comb(n, k), abs=1e-11)


def test_abstentions_do_not_vote_and_a_vote_of_nobody_is_wrong() -> None:
    # Pairs of {right, abstain, abstain}: two of three hold the right answer, alone; the third holds no vote.
    assert maj_at_k([(1, True)], 2, abstentions=2) == pytest.approx(2 / 3)
    assert maj_at_k([], 2, abstentions=3) == 0.0
    assert maj_at_k([(2, True), (2, False)], 4) == 0.5


@pytest.mark.parametrize(("k", "abstentions"), [(0, 0), (4, 0), (2, -1)])
def test_maj_at_k_refuses_what_it_cannot_estimate(k: int, abstentions: int) -> None:
    with pytest.raises(ValueError, match=r"k must|negative"):
        maj_at_k([(2, True), (1, False)], k, abstentions)


@pytest.mark.parametrize(
    "groups",
    [
        [(votes, votes % 3 == 0) for votes in range(1, 32)],
        [(votes, votes == 8) for votes in (7, 8, 9) * 21],
        [(1, number == 0) for number in range(512)],
        [(256, True), (256, False)],
        [(16, number % 2 == 0) for number in range(32)],
    ],
    ids=["staircase", "near-equal", "all-different", "two-halves", "equal"],
)
def test_512_samples_take_well_under_a_second_for_all_k(groups: Groups) -> None:
    plurality._probability.cache_clear()
    n = sum(votes for votes, _ in groups)
    start = time.process_time()
    curve = [maj_at_k(groups, k, 512 - n) for k in ks(512)]
    assert time.process_time() - start < 2.0  # 0.3 s at most where this was written
    assert all(0 <= value <= 1 for value in curve)


def test_a_fair_tie_stays_fair_for_thousands_of_samples() -> None:
    for k in (1, 3, 64, 1999, 2000):
        assert maj_at_k([(1000, True), (1000, False)], k) == pytest.approx(0.5, abs=1e-11)
