"""Comparison of two runs: paired values by hand, exact tests by enumeration, and what is refused."""

from __future__ import annotations

from itertools import product
from math import sqrt
from statistics import NormalDist, mean, stdev

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge.errors import UsageError
from skillforge.metrics.compare import Comparison, DifferentProblems, compare, sign_test, states_of
from skillforge.metrics.outcome import Outcome
from skillforge.parts.grader import VerdictState

Run = dict[str, list[VerdictState]]

states: st.SearchStrategy[VerdictState] = st.sampled_from(["correct", "wrong", "no-answer", "error"])
runs = st.dictionaries(st.sampled_from([f"p{number}" for number in range(12)]), st.lists(states, max_size=4))


def once(marks: str) -> Run:
    """One sample a problem: `+` correct, `-` wrong, `0` no answer, `!` error."""
    names: dict[str, VerdictState] = {"+": "correct", "-": "wrong", "0": "no-answer", "!": "error"}
    return {f"p{number}": [names[mark]] for number, mark in enumerate(marks)}


def test_one_sample_a_problem_by_hand() -> None:
    found = compare(once("++++----+!"), once("+++-+++++-"))
    # p3 lost; p4, p5, p6 gained (p7 too: '-' to '+'); p9 has no graded sample in A.
    assert (found.problems, found.left_out) == (9, 1)
    assert (found.better, found.worse) == (4, 1)
    assert (found.gained, found.lost) == (["p4", "p5", "p6", "p7"], ["p3"])
    assert found.accuracy_a == pytest.approx(5 / 9)
    assert found.accuracy_b == pytest.approx(8 / 9)
    assert found.difference == pytest.approx(3 / 9)
    differences = [0, 0, 0, -1, 1, 1, 1, 1, 0]
    assert found.stderr == pytest.approx(stdev(differences) / 3)
    assert found.test == "mcnemar-exact"
    assert found.p_value == 12 / 32  # 2·(1 + 5)/2⁵


@pytest.mark.parametrize(("better", "worse", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (10, 0, 2 / 1024)])
def test_the_sign_test_by_hand(better: int, worse: int, p: float) -> None:
    assert sign_test(better, worse) == p
    assert sign_test(worse, better) == p


@given(st.integers(0, 10), st.integers(0, 10))
def test_the_sign_test_counts_the_outcomes_at_least_as_far_from_even(better: int, worse: int) -> None:
    number = better + worse
    far = [abs(2 * sum(signs) - number) >= abs(better - worse) for signs in product((0, 1), repeat=min(number, 12))]
    if number <= 12:
        assert sign_test(better, worse) == pytest.approx(mean(far))
    assert 0 < sign_test(better, worse) <= 1


def test_several_samples_a_problem_use_the_paired_z_test() -> None:
    a: Run = {"p1": ["correct", "wrong"], "p2": ["wrong", "wrong"], "p10": ["correct", "error"], "p3": ["wrong"] * 4}
    b: Run = {"p1": ["correct"] * 2, "p2": ["correct", "no-answer"], "p10": ["correct"]}
    b["p3"] = ["correct", "correct", "wrong", "correct"]
    found = compare(a, b)
    differences = [0.5, 0.5, 0.0, 0.75]
    assert found.difference == pytest.approx(mean(differences))
    assert found.stderr == pytest.approx(stdev(differences) / sqrt(4))
    assert found.test == "paired-z"
    z = mean(differences) / (stdev(differences) / 2)
    assert found.p_value == pytest.approx(2 * (1 - NormalDist().cdf(z)))
    assert (found.gained, found.lost) == (["p1", "p3"], [])  # half of p2 is not solved


def test_pairing_sees_what_two_intervals_do_not() -> None:
    # 1000 problems, half of them hard for both; B gains 12 and loses none.
    a, b = once("+" * 500 + "-" * 500), once("+" * 512 + "-" * 488)
    found = compare(a, b)
    assert found.low is not None
    assert found.low > 0
    assert found.p_value is not None
    assert found.p_value < 0.001


def test_two_equal_runs_are_not_certain_to_be_equal() -> None:
    found = compare(once("+-" * 50), once("+-" * 50))
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.low is not None
    assert found.high is not None
    assert -0.05 < found.low < 0 < found.high < 0.05
    none: Run = {"p": ["wrong"] * 2, "q": ["wrong"] * 2}
    both: Run = {"p": ["correct"] * 2, "q": ["correct"] * 2}
    every = compare(none, both)
    assert (every.difference, every.high, every.test, every.p_value) == (1.0, 1.0, "sign", 0.5)
    assert every.low is not None
    assert every.low < 0.1


def test_equal_differences_from_different_fractions_have_no_spread() -> None:
    # 2/10 - 1/10 and 3/10 - 2/10 differ as floats; both are one tenth.
    def tenths(number: int) -> list[VerdictState]:
        return ["correct" if place < number else "wrong" for place in range(10)]

    a = {f"p{number}": tenths(number) for number in range(10)}
    b = {f"p{number}": tenths(number + 1) for number in range(10)}
    found = compare(a, b)
    assert (found.stderr, found.test, found.p_value) == (0.0, "sign", 2 / 1024)


def test_different_problems_are_refused_by_name_unless_asked_for() -> None:
    a, b = once("+++"), {**once("++"), "q9": ["wrong"], "q10": ["correct"]}
    with pytest.raises(DifferentProblems) as refused:
        compare(a, b)  # type: ignore[arg-type]
    assert isinstance(refused.value, UsageError)
    assert (refused.value.only_a, refused.value.only_b) == (["p2"], ["q9", "q10"])
    assert "p2" in str(refused.value)
    found = compare(a, b, common_only=True)  # type: ignore[arg-type]
    assert (found.problems, found.only_a, found.only_b, found.difference) == (2, 1, 2, 0.0)


def test_nothing_in_common_is_none() -> None:
    for found in (compare({}, {}), compare(once("!"), once("+")), compare(once("+"), {}, common_only=True)):
        assert found.problems == 0
        assert (found.difference, found.low, found.p_value, found.test, found.accuracy_a) == (None,) * 5


def test_runs_may_come_as_pairs_or_from_outcomes() -> None:
    pairs: list[tuple[str, list[VerdictState]]] = [("p0", ["correct"]), ("p1", ["wrong"]), ("p0", ["wrong"])]
    outcomes = [
        Outcome(problem_id=id, index=index, state=state) for index, (id, found) in enumerate(pairs) for state in found
    ]
    assert states_of(outcomes) == {"p0": ["correct", "wrong"], "p1": ["wrong"]}
    other = once("+-")
    assert compare(iter(pairs), other) == compare(states_of(outcomes), other)


@given(runs, runs)
def test_swapping_the_runs_mirrors_the_comparison(a: Run, b: Run) -> None:
    forth, back = compare(a, b, common_only=True), compare(b, a, common_only=True)
    assert (forth.gained, forth.lost, forth.only_a) == (back.lost, back.gained, back.only_b)
    assert forth.p_value == back.p_value
    if forth.difference is None:
        assert back.difference is None
        return
    assert back.difference is not None
    assert None not in (forth.low, forth.high, back.low, back.high)
    assert forth.difference == pytest.approx(-back.difference)
    assert (forth.low, forth.high) == pytest.approx((-(back.high or 0), -(back.low or 0)))
    assert -1 <= (forth.low or 0) <= forth.difference <= (forth.high or 0) <= 1
    assert (forth.low or 0) < (forth.high or 0)
    assert forth.difference == pytest.approx((forth.accuracy_b or 0) - (forth.accuracy_a or 0))
    assert msgspec.json.decode(msgspec.json.encode(forth), type=Comparison) == forth
