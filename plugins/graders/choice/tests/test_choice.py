from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skillforge import Problem, Segment, Transcript, Verdict
from skillforge.registry import Registry
from skillforge.testing import check_grader
from skillforge_choice_grader import ChoiceGrader, ChoiceOptions, read_choices

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
GRADER = ChoiceGrader()
LENGTHS = ["10 cm", "12 cm", "1/2 m", "none of these"]


def grade(expected: str | None, text: str, choices: object = None, **options: Any) -> Verdict:
    metadata = {"choices": LENGTHS if choices is None else choices}
    problem = Problem(id="0", question="?", expected_answer=expected, metadata=metadata)
    return GRADER.grade(problem, Transcript((Segment("text", text),)), ChoiceOptions(**options))


@pytest.mark.parametrize(
    ("expected", "text", "state"),
    [
        ("B", "The answer is (B).", "correct"),
        ("B", "\\boxed{\\text{B}}", "correct"),
        ("B", "Answer: B) 12 cm", "correct"),
        ("B", "The answer is 12 cm.", "correct"),
        ("C", "The answer is 0.5 m.", "correct"),
        ("12 cm", "The answer is B.", "correct"),
        ("D", "The answer is None of these.", "correct"),
        ("B", "The answer is (C).", "wrong"),
        ("B", "The answer is (H).", "wrong"),
        ("B", "The answer is A or B.", "no-answer"),
        ("B", "\\boxed{B) 10 cm}", "no-answer"),
        ("B", "The change is $\\Delta E$.", "no-answer"),
        ("B", "A train leaves.", "no-answer"),
        ("B", "", "no-answer"),
        ("14 cm", "The answer is B.", "error"),
        ("H", "The answer is B.", "error"),
        (None, "The answer is B.", "error"),
    ],
)
def test_verdicts(expected: str | None, text: str, state: str) -> None:
    verdict = grade(expected, text)
    assert verdict.state == state, verdict


def test_a_text_that_two_options_have_chooses_neither() -> None:
    verdict = grade("C", "The answer is 0.5.", ["1", "1/2", "0.50"])
    assert (verdict.state, verdict.reason) == ("no-answer", "answer phrase; it fits several options")


def test_without_options_the_letters_alone_are_compared() -> None:
    assert grade("B", "The answer is B.", []).state == "correct"
    assert grade("B", "The answer is 12 cm.", []).state == "no-answer"


@pytest.mark.parametrize(
    "given",
    [
        ["A)one", "B)two", "C)three"],
        ["one", "two", "three"],
        {"a": "one", "b": "two", "c": "three"},
        "A) one B) two C) three",
        "(A) one (B) two (C) three",
    ],
)
def test_options_in_the_forms_of_known_datasets(given: object) -> None:
    assert read_choices(given) == {"A": "one", "B": "two", "C": "three"}


def test_it_says_how_the_option_was_chosen() -> None:
    assert grade("B", "The answer is 12 cm.").reason == "answer phrase; the text of the option"
    assert grade("B", "The answer is (C).").answer == "C"


def test_groups_are_by_letter() -> None:
    assert GRADER.group(["B", "(b)", "C.", "12 cm", "12  CM"], ChoiceOptions()) == [0, 0, 1, 2, 2]


def test_contract() -> None:
    problem = Problem(id="0", question="?", expected_answer="B", metadata={"choices": LENGTHS})
    check_grader(GRADER, cases=[(problem, "The answer is B.", "correct"), (problem, "The answer is C.", "wrong")])


def test_it_is_found_by_its_entry_point() -> None:
    assert Registry().get("grader", "choice").name == "choice"


def _rows(path: str, field: str, answer: str) -> list[tuple[object, str]]:
    lines = (DATA / path).read_text(encoding="utf-8").splitlines()
    return [(row[field], str(row[answer])) for row in map(json.loads, lines)]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"NOT TESTED: the data files are not in {DATA}")
@pytest.mark.parametrize(
    ("path", "field", "answer", "rows"),
    [
        ("aqua/test.jsonl", "options", "correct", 254),
        ("sat_math/test.jsonl", "options", "Answer", 32),
        ("mmlu_stem/test.jsonl", "choices", "answer", 3018),
    ],
)
def test_the_right_letter_is_right_in_every_row(path: str, field: str, answer: str, rows: int) -> None:
    data = _rows(path, field, answer)
    assert len(data) == rows
    for choices, right in data:
        letter = "ABCDEFGHIJ"[int(right)] if right.isdigit() else right
        for other in read_choices(choices):
            state = grade(letter, f"So the answer is ({other}).", choices).state
            assert state == ("correct" if other == letter else "wrong"), (choices, right, other)
