from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Problem, Segment, Transcript, Verdict
from skillforge.registry import Registry
from skillforge.testing import check_grader
from skillforge_exact_grader import ExactGrader, ExactOptions, last_number, normal

GRADER = ExactGrader()


def grade(expected: str | None, text: str, metadata: dict[str, Any] | None = None, **options: Any) -> Verdict:
    problem = Problem(id="0", question="?", expected_answer=expected, metadata=metadata or {})
    return GRADER.grade(problem, Transcript((Segment("text", text),)), ExactOptions(**options))


@pytest.mark.parametrize(
    ("expected", "text", "options", "state"),
    [
        ("Paris", "The answer is **Paris**.", {}, "correct"),
        ("Paris", "The answer is  paris", {}, "correct"),
        ("Paris", "The answer is paris", {"ignore_case": False}, "wrong"),
        ("New York", "\\boxed{New  York}", {}, "correct"),
        ("Paris", "It is Paris", {}, "no-answer"),
        ("Paris", ' "Paris". ', {"find": "whole"}, "correct"),
        ("Paris", "Paris!", {"find": "whole"}, "wrong"),
        ("1/2", "The answer is 0.5.", {}, "wrong"),
        ("1/2", "The answer is 0.5.", {"mode": "numeric"}, "correct"),
        ("#### 1,234", "so 1234 apples", {"mode": "numeric", "find": "number"}, "correct"),
        ("18", "$18.00", {"mode": "numeric", "find": "whole"}, "correct"),
        ("18", "18.1", {"mode": "numeric", "find": "whole"}, "wrong"),
        ("100", "101", {"mode": "numeric", "find": "whole", "tolerance": 0.01}, "correct"),
        ("100", "101.5", {"mode": "numeric", "find": "whole", "tolerance": 0.01}, "wrong"),
        ("12345678901234567890", "12345678901234567891", {"mode": "numeric", "find": "whole"}, "wrong"),
        ("-5", "−5", {"mode": "numeric", "find": "whole"}, "correct"),
        ("Paris ", "Paris", {"mode": "verbatim", "find": "whole"}, "correct"),
        ("Paris", "paris", {"mode": "verbatim", "find": "whole"}, "wrong"),
        (None, "5", {}, "error"),
    ],
)
def test_verdicts(expected: str | None, text: str, options: dict[str, Any], state: str) -> None:
    verdict = grade(expected, text, **options)
    assert verdict.state == state, verdict


def test_any_accepted_answer_is_right() -> None:
    metadata = {"aliases": ["NYC", "Big Apple"]}
    assert grade("New York", "The answer is NYC.", metadata, accepted="aliases").state == "correct"
    assert grade("New York", "The answer is NYC.", metadata).state == "wrong"
    assert grade("New York", "The answer is New York.", {"aliases": "NYC"}, accepted="aliases").state == "correct"


def test_it_says_how_it_was_compared() -> None:
    verdict = grade("18", "The answer is 19.", mode="numeric")
    assert (verdict.answer, verdict.reason) == ("19", "answer phrase; another number")


def test_groups_are_of_the_same_normal_text() -> None:
    assert GRADER.group(["Paris", "paris.", "Rome", "“Paris”"], ExactOptions()) == [0, 0, 1, 0]
    assert GRADER.group(["Paris", "paris", "Paris "], ExactOptions(mode="verbatim")) == [0, 1, 0]
    assert GRADER.group(["it is 5", "5.0", "1e5", "100,000"], ExactOptions(mode="numeric")) == [0, 0, 1, 1]


@given(st.fractions(min_value=-(10**9), max_value=10**9))
def test_numbers_are_exact(value: Fraction) -> None:
    assert last_number(f"x is {value}") == value


@given(st.text())
def test_spacing_and_dressing_make_no_difference_on_any_text(text: str) -> None:
    assert normal(f'  "{text}" ', True) == normal(text, True)
    last_number(text)


def test_contract() -> None:
    problem = Problem(id="0", question="?", expected_answer="Paris")
    check_grader(
        GRADER, cases=[(problem, "The answer is Paris.", "correct"), (problem, "The answer is Rome.", "wrong")]
    )


def test_it_is_found_by_its_entry_point() -> None:
    assert Registry().get("grader", "exact").name == "exact"
