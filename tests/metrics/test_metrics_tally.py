"""Tally: what a run's summary says, for small runs counted by hand and for large ones in bounded memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from math import nan
from statistics import mean, stdev

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge.metrics.compact import FewNames, Names
from skillforge.metrics.estimators import maj_at_k, pass_at_k
from skillforge.metrics.intervals import clustered_mean, wilson
from skillforge.metrics.outcome import Outcome
from skillforge.metrics.summary import AtK, Summary
from skillforge.metrics.tally import Tally


def tallied(outcomes: Sequence[Outcome], fields: Sequence[str] = ()) -> Tally:
    tally = Tally(fields)
    for outcome in outcomes:
        tally.add(outcome)
    return tally


def outcome(problem: str, index: int, state: str, answer: str | None = None, **more: object) -> Outcome:
    return msgspec.convert({"problem_id": problem, "index": index, "state": state, "answer": answer, **more}, Outcome)


RUN = [
    outcome("a", 0, "correct", "4", subsets={"level": "2"}),
    outcome("a", 1, "correct", "4.0", subsets={"level": "2"}),
    outcome("a", 2, "wrong", "5", subsets={"level": "2"}),
    outcome("b", 0, "wrong", "7", subsets={"level": "10"}, truncated=True),
    outcome("b", 1, "error", subsets={"level": "10"}),
    outcome("b", 2, "no-answer", subsets={"level": "10"}),
]


def by_value(answers: Sequence[str]) -> list[int]:
    return [int(float(answer)) for answer in answers]


def test_a_run_counted_by_hand() -> None:
    summary = tallied(RUN, ["level"]).summary(by_value)
    assert (summary.problems, summary.samples, summary.samples_per_problem) == (2, 6, 3)
    assert (summary.correct, summary.wrong, summary.no_answer, summary.error, summary.truncated) == (2, 2, 1, 1, 1)
    # a: 2 of 3; b: 0 of 2 graded.
    assert summary.accuracy.value == pytest.approx(1 / 3)
    assert (summary.accuracy.method, summary.accuracy.n) == ("clustered", 2)
    assert summary.no_answer_rate == 1 / 5
    assert summary.error_rate == summary.truncation_rate == 1 / 6
    at_k = {k: (at.value, at.problems, at.left_out) for k, at in summary.pass_at.items()}
    assert at_k == {"1": (1 / 3, 2, 0), "2": (0.5, 2, 0), "3": (1.0, 1, 1)}
    # a at k=2: pairs {4, 4.0} right, {4, 5} and {4.0, 5} ties, so 2/3; b: never right.
    assert summary.maj_at["2"].value == pytest.approx(1 / 3)
    assert summary.maj_at["3"] == AtK(1.0, 1, 1, *wilson(1, 1) or ())
    assert summary.repeats.accuracy == {"0": 0.5, "1": 1.0, "2": 0.0}
    assert summary.repeats.mean == mean([0.5, 1, 0])
    assert summary.repeats.std == stdev([0.5, 1, 0])
    assert list(summary.subsets["level"]) == ["2", "10"]
    assert summary.subsets["level"]["10"].samples == 3
    assert summary.subsets["level"]["10"].accuracy.value == 0.0


def test_without_a_grouping_answers_are_compared_as_strings() -> None:
    # 4, 4.0 and 5 are three classes of one vote: two of three are right.
    assert tallied(RUN).summary().maj_at["3"].value == pytest.approx(2 / 3)


def test_the_grouping_is_asked_only_where_answers_differ_and_must_answer_for_all() -> None:
    asked: list[list[str]] = []

    def group(answers: Sequence[str]) -> list[int]:
        asked.append(list(answers))
        return by_value(answers)

    tallied([*RUN, outcome("c", 0, "wrong", "1"), outcome("c", 1, "wrong", "1")]).summary(group)
    assert asked == [["4", "4.0", "5"]]
    with pytest.raises(ValueError, match="1 class numbers for 3 answers"):
        tallied(RUN).summary(lambda answers: [0])


def test_a_class_graded_both_ways_is_correct_by_majority() -> None:
    noisy = [outcome("a", index, state, "4") for index, state in enumerate(["correct", "correct", "wrong"])]
    assert tallied(noisy).summary().maj_at["3"].value == 1.0
    assert tallied(noisy[1:]).summary().maj_at["2"].value == 0.0


def test_pass_and_majority_have_intervals_over_the_problems() -> None:
    rights = {"a": 0, "b": 1, "c": 2, "d": 4}
    run = [
        outcome(problem, index, "correct" if index < right else "wrong", "1" if index < right else f"-{index}")
        for problem, right in rights.items()
        for index in range(4)
    ]
    summary = tallied(run).summary()
    assert (summary.pass_at["1"].low, summary.pass_at["1"].high) == (summary.accuracy.low, summary.accuracy.high)
    for at, values in ((summary.pass_at["2"], [0, 1 / 2, 5 / 6, 1]), (summary.maj_at["2"], [0, 1 / 4, 1 / 2, 1])):
        expected = clustered_mean((value, 1) for value in values)
        assert expected is not None and expected.interval is not None
        assert (at.value, at.low, at.high) == pytest.approx((expected.mean, *expected.interval))
    # With all samples a problem is solved or not: a proportion.
    assert (summary.pass_at["4"].low, summary.pass_at["4"].high) == wilson(3, 4)


def test_errors_never_count_against_the_model() -> None:
    good = [outcome(f"p{number}", 0, "correct" if number < 7 else "wrong", "1") for number in range(10)]
    failed = [outcome(f"q{number}", 0, "error") for number in range(30)]
    alone, with_errors = tallied(good).summary(), tallied(good + failed).summary()
    assert with_errors.accuracy == alone.accuracy
    assert with_errors.accuracy.method == "wilson"
    assert with_errors.error_rate == 0.75
    assert with_errors.pass_at["1"] == AtK(0.7, 10, 30, with_errors.accuracy.low, with_errors.accuracy.high)


def test_nothing_measured_is_none_and_plain_json() -> None:
    for outcomes in ([], [outcome("a", 0, "error")]):
        summary = tallied(outcomes, ["level"]).summary(wall_seconds=0.0)
        assert summary.accuracy.value is None
        assert summary.no_answer_rate is None
        assert (summary.tokens, summary.latency, summary.throughput, summary.mean_score) == (None,) * 4
        assert all(at.value is None for at in summary.pass_at.values())
        assert b"NaN" not in msgspec.json.encode(summary)


def test_maj_is_left_out_where_the_grader_names_no_answers() -> None:
    code = [outcome("a", 0, "correct"), outcome("a", 1, "wrong"), outcome("b", 0, "no-answer")]
    summary = tallied(code).summary()
    assert summary.maj_at == {}
    assert summary.pass_at["1"].value == 0.25
    silent = tallied([outcome("a", 0, "no-answer"), outcome("a", 1, "no-answer")]).summary()
    assert silent.maj_at["2"].value == 0.0


def test_an_empty_answer_is_an_answer() -> None:
    assert tallied([outcome("a", 0, "correct", "")]).summary().maj_at["1"].value == 1.0


def test_subsets_are_in_natural_order_and_a_missing_field_is_in_no_row() -> None:
    levels = ["10", "2", "1", None, "Algebra", "9" * 5000]
    run = [
        outcome(f"p{number}", 0, "correct", subsets={} if level is None else {"level": level})
        for number, level in enumerate(levels)
    ]
    rows = tallied(run, ["level", "absent"]).summary().subsets
    assert list(rows["level"]) == ["1", "2", "10", "9" * 5000, "Algebra"]
    assert rows["absent"] == {}


def test_usage_percentiles_and_throughput() -> None:
    run = [
        outcome(f"p{number}", 0, "correct", prompt_tokens=10, completion_tokens=number, latency=number / 10)
        for number in range(1, 101)
    ]
    run += [outcome("unmeasured", 0, "wrong", latency=nan, score=nan), outcome("scored", 0, "wrong", score=0.25)]
    summary = tallied(run).summary(wall_seconds=20.0)
    tokens, latency, throughput = summary.tokens, summary.latency, summary.throughput
    assert tokens is not None
    assert latency is not None
    assert throughput is not None
    assert (tokens.prompt_total, tokens.prompt_mean, tokens.completion_total, tokens.completion_mean) == (
        1000, 10.0, 5050, 50.5,
    )  # fmt: skip
    assert (tokens.completion_p50, tokens.completion_p90, tokens.completion_max) == (50.5, 90.1, 100)
    assert (latency.p50, latency.p90, latency.p99, latency.max) == pytest.approx((5.05, 9.01, 9.901, 10.0))
    assert (throughput.samples_per_second, throughput.completion_tokens_per_second) == (5.1, 252.5)
    assert summary.mean_score == 0.25


@pytest.mark.parametrize("nonsense", [-1, 2**31, 10**30])
def test_a_nonsense_count_of_tokens_is_one_that_is_not_known(nonsense: int) -> None:
    run = [
        outcome("a", 0, "correct", prompt_tokens=3, completion_tokens=2),
        outcome("b", 0, "correct", prompt_tokens=nonsense, completion_tokens=nonsense),
    ]
    assert tallied(run).summary().tokens == tallied(run[:1]).summary().tokens
    assert tallied(run[1:]).summary().tokens is None


states = st.sampled_from(["correct", "wrong", "no-answer", "error"])
runs = st.dictionaries(
    st.tuples(st.sampled_from(["p1", "p2", "p10", "\ud800"]), st.integers(0, 7)),
    st.tuples(states, st.sampled_from([None, "1", "1.0", "2", "\udfff"]), st.sampled_from(["1", "2"])),
    max_size=24,
).map(
    lambda run: [
        outcome(id, index, state, None if state in ("error", "no-answer") else answer, subsets={"level": level})
        for (id, index), (state, answer, level) in run.items()
    ]
)


@settings(deadline=None)
@given(runs, st.randoms(use_true_random=False))
def test_the_summary_does_not_depend_on_the_order_of_arrival(run: list[Outcome], draw: object) -> None:
    shuffled = list(run)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]

    def almost(answers: Sequence[str]) -> list[int]:  # depends on the order in which it is asked
        return [place // 2 for place in range(len(answers))]

    assert tallied(run, ["level"]).summary(almost) == tallied(shuffled, ["level"]).summary(almost)


@settings(deadline=None)
@given(runs)
def test_the_summary_agrees_with_the_estimators_problem_by_problem(run: list[Outcome]) -> None:
    summary = tallied(run, ["level"]).summary()
    problems: dict[str, list[Outcome]] = {}
    for sample in run:
        if sample.state != "error":
            problems.setdefault(sample.problem_id, []).append(sample)
    accuracies = [mean(sample.state == "correct" for sample in samples) for samples in problems.values()]
    assert summary.accuracy.value == (pytest.approx(mean(accuracies)) if accuracies else None)
    for k, at in summary.pass_at.items():
        able = [samples for samples in problems.values() if len(samples) >= int(k)]
        values = [pass_at_k(len(samples), [s.state for s in samples].count("correct"), int(k)) for samples in able]
        assert at.value == (pytest.approx(mean(values)) if values else None)
        assert at.problems == len(able)
        assert at.problems + at.left_out == summary.problems
    for k, at in summary.maj_at.items():
        values = []
        for samples in problems.values():
            answers = {s.answer for s in samples if s.answer is not None}
            votes = [[s.state == "correct" for s in samples if s.answer == answer] for answer in answers]
            groups = [(len(marks), 2 * sum(marks) > len(marks)) for marks in votes]
            if len(samples) >= int(k):
                values.append(maj_at_k(groups, int(k), len(samples) - sum(len(marks) for marks in votes)))
        assert at.value == (pytest.approx(mean(values)) if values else None)
    assert sum(row.samples for row in summary.subsets["level"].values()) == summary.samples
    assert summary.correct + summary.wrong + summary.no_answer + summary.error == summary.samples == len(run)


@settings(deadline=None)
@given(runs)
def test_a_summary_survives_json(run: list[Outcome]) -> None:
    summary = tallied(run, ["level"]).summary(wall_seconds=1.5)
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_a_tally_goes_on_after_a_summary() -> None:
    tally = tallied(RUN[:3])
    assert tally.summary().samples == 3
    for sample in RUN[3:]:
        tally.add(sample)
    assert tally.summary() == tallied(RUN).summary()


@given(st.lists(st.text(st.characters(codec=None), max_size=3) | st.sampled_from(["", "a", "\ud800"])))
def test_names_number_strings_in_order_of_first_arrival(texts: list[str]) -> None:
    names, expected = Names(), list(dict.fromkeys(texts))
    assert [names.number(text) for text in texts] == [expected.index(text) for text in texts]
    assert [names[number] for number in range(len(names))] == expected


names_from_outside = st.lists(
    st.sampled_from([f"reason {number:03}" for number in range(150)] + ["stop"]), max_size=400
)


@given(names_from_outside, st.randoms(use_true_random=False))
def test_few_names_are_counted_and_the_rest_together_in_any_order(names: list[str], draw: object) -> None:
    def counted(names: list[str]) -> dict[str, int]:
        few = FewNames()
        for name in names:
            few.add(name)
        return few.counts()

    shuffled = list(names)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    found = counted(names)
    assert list(found.items()) == list(counted(shuffled).items())
    assert sum(found.values()) == len(names)
    assert all(names.count(name) == count for name, count in found.items() if name != FewNames.OTHER)
    kept = set(sorted(set(names))[: FewNames.MOST])
    assert set(found) - {FewNames.OTHER} == kept
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_name_is_cut() -> None:
    few = FewNames()
    few.add("x" * 1000)
    assert few.counts() == {"x" * FewNames.LONGEST: 1}


def test_reasons_of_errors_are_counted_and_numbers_make_no_difference_but_for_statuses() -> None:
    reasons = [
        *("HTTP 503: busy (given up after 9 attempts)", "HTTP 503: busy (given up after 12 attempts)") * 2,
        "HTTP 500: request 777",
        "HTTP 500: request 8",
        "HTTP 502: request 8",
    ]
    run = [outcome(f"p{number}", 0, "error", error=reason) for number, reason in enumerate(reasons)]
    summary = tallied([*run, outcome("q", 0, "error"), outcome("r", 0, "correct", "4")]).summary()
    assert list(summary.errors.items()) == [
        ("HTTP 503: busy (given up after 12 attempts)", 4),
        ("HTTP 500: request 777", 2),
        ("HTTP 502: request 8", 1),
    ]
    assert summary == tallied([outcome("r", 0, "correct", "4"), outcome("q", 0, "error"), *run[::-1]]).summary()


def test_a_problem_costs_about_100_bytes() -> None:
    problems = 25_000  # tracing makes it slow; 100,000 hold 10.5 MB and peak at 14
    gc.collect()
    tracemalloc.start()
    try:
        tally = Tally(["level"])
        for number in range(problems):
            sample = Outcome(
                problem_id=f"test/{number}",
                index=0,
                state="correct",
                answer=f"{number * 7}",
                completion_tokens=9,
                latency=0.5,
                subsets={"level": str(number % 5)},
            )
            tally.add(sample)
        held, _ = tracemalloc.get_traced_memory()
        summary = tally.summary()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert summary.problems == problems
    assert held < 125 * problems
    assert peak < 175 * problems
