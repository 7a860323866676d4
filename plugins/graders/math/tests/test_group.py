"""Equivalence classes of answers, for votes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skillforge_math_grader.grouping as grouping
from skillforge_math_grader import check, group


@pytest.mark.parametrize(
    ("answers", "numbers"),
    [
        ([], []),
        (["7", "8", "7.0", "14/2", "8"], [0, 1, 0, 0, 1]),
        (["x+1", "1+x", "x", r"\sqrt{2}", "2^{1/2}", "1.41421"], [0, 0, 1, 2, 2, 2]),
        (["1, 2", "2, 1", r"\{1,2\}", "1"], [0, 0, 0, 1]),
        (["x > 2", r"(2,\infty)", "x < 2"], [0, 0, 1]),
        (["50%", "0.5", "50"], [0, 1, 0]),
        (["50%", "0.5"], [0, 0]),
        (["12 cm", "12 m", "120 mm"], [0, 1, 0]),
        (["", "5", " "], [0, 1, 0]),
    ],
)
def test_equal_answers_share_a_class_numbered_by_first_appearance(answers: list[str], numbers: list[int]) -> None:
    assert group(answers) == numbers


def test_classes_agree_with_check() -> None:
    answers = [
        "1/2",
        "0.5",
        r"\frac{2}{4}",
        "x^2-1",
        "(x-1)(x+1)",
        "[0,1)",
        "0<=x<1",
        "Yes",
        "true",
        "3 + 2i",
        "2i + 3",
        "(1,2)",
        "(2,1)",
    ]
    numbers = group(answers)
    for one, first in zip(answers, numbers, strict=True):
        for two, second in zip(answers, numbers, strict=True):
            assert check(one, two).equal == (first == second), (one, two)


def test_many_votes_for_few_answers_take_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(*arguments: str) -> object:
        nonlocal calls
        calls += 1
        return check(*arguments)

    monkeypatch.setattr(grouping, "check", counted)
    spellings = [str, "{}.0".format, "${}$".format, r"\boxed{{{}}}".format, r"{} \text{{ cm}}".format, "x = {}".format]
    rng = random.Random(0)
    values = [rng.choice(range(30)) for _ in range(10_000)]
    numbers = group([rng.choice(spellings)(value) for value in values])
    assert len(set(numbers)) == 30
    assert len(set(zip(values, numbers, strict=True))) == 30
    assert calls < 3_000


def test_many_different_expressions_take_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(*arguments: str) -> object:
        nonlocal calls
        calls += 1
        return check(*arguments)

    monkeypatch.setattr(grouping, "check", counted)
    answers = [f"x^{number}+1" for number in range(300)]
    assert group(answers + answers) == list(range(300)) * 2
    assert calls <= 300 * grouping.MAX_REPRESENTATIVES


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=12))
def test_any_texts_can_be_grouped(answers: list[str]) -> None:
    numbers = group(answers)
    assert len(numbers) == len(answers)
    assert numbers == group(answers)
    seen: list[int] = []
    for number in numbers:
        assert number in seen or number == len(seen)
        seen += [number] if number not in seen else []
