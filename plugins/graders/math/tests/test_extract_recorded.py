"""Extraction on recorded model outputs and published solutions."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from skillforge_math_grader.extract import extract

SHARED = Path(__file__).resolve().parents[4].parent / "shared"


def rows(name: str) -> list[dict[str, Any]]:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"NOT TESTED: {path} is not there")
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def value(answer: str) -> Fraction | None:
    """The number that `answer` is, without its currency, percent sign and commas."""
    try:
        return Fraction(answer.replace("\\", "").strip("$%").replace(",", "").rstrip("."))
    except (ValueError, ZeroDivisionError):
        return None


def plain(answer: str) -> str:
    """`answer` without spacing and the size of its fractions."""
    return answer.replace(" ", "").replace("\\!", "").replace("dfrac", "frac").replace("tfrac", "frac")


@pytest.mark.parametrize(
    ("model", "correct"),
    [("6b_finetuning", 286), ("6b_verification", 515), ("175b_finetuning", 458), ("175b_verification", 742)],
)
@pytest.mark.parametrize("kind", ["math", "number"])
def test_gsm8k_solutions_hold_the_answers_that_were_recorded(model: str, correct: int, kind: Any) -> None:
    solutions = rows("data/gsm8k/example_model_solutions.jsonl")
    judged = []
    for row in solutions:
        found = extract(row[model]["solution"], kind)
        expected = value(row["ground_truth"].rpartition("\nA: ")[2])
        judged.append(found is not None and value(found.answer) == expected)
    assert judged == [row[model]["is_correct"] for row in solutions]
    assert sum(judged) == correct


def test_tool_integrated_outputs_hold_the_answers_that_were_recorded() -> None:
    # 146 ends in code, and 659 in prose; what was recorded of 146 is a piece of its code.
    outputs = rows("data/tir_samples/tora-code-34b-v1.0/gsm8k/test_tora_-1_seed0_t0.0_s0_e1319.jsonl")
    found = {row["idx"]: extract(row["code"][0]) for row in outputs}
    assert Counter(each.rule for each in found.values() if each) == {"boxed": 1316, "last number": 3}
    differing = [row["idx"] for row in outputs if value(found[row["idx"]].answer) != value(row["pred"][0])]  # type: ignore[union-attr]
    assert differing == [146, 659]


def test_step_by_step_solutions_hold_the_answers_that_were_recorded() -> None:
    # What was recorded of 3 and of one of 67 lacks the unit after the box; of 72, the first of two boxes joined by "or".
    differing: Counter[int] = Counter()
    for row in rows("data/cot_samples/math_cot_100.jsonl"):
        for solution, recorded in zip(row["code"], row["pred"], strict=True):
            found = extract(solution)
            assert found is not None
            differing[row["idx"]] += plain(found.answer) != plain(recorded)
    assert +differing == {3: 8, 67: 1, 72: 1}


def test_published_solutions_hold_the_published_answers() -> None:
    differing = []
    for row in rows("data/math-500/test.jsonl"):
        found = extract(row["solution"])
        assert found is not None
        if plain(found.answer) != plain(row["answer"]):
            differing.append((found.rule, plain(found.answer).startswith(plain(row["answer"]))))
    assert sorted(differing) == [("boxed", True)] * 3 + [("boxed list", False)]  # three with a unit after the box


def test_letters_of_published_rationales() -> None:
    # The other sixteen state no letter.
    rationales = rows("data/aqua/test.jsonl")
    letters = [(found.answer, row["correct"]) for row in rationales if (found := extract(row["rationale"], "choice"))]
    assert len(rationales) == 254
    assert len(letters) == 238
    assert all(letter == correct for letter, correct in letters)


def test_prose_of_problems_states_no_letter() -> None:
    stated = [row["question"] for row in rows("data/mmlu_stem/test.jsonl") if extract(row["question"], "choice")]
    assert stated == []


def test_responses_of_the_grading_cases() -> None:
    responses = [case for case in rows("grading/edgecases.jsonl.gz") if case["kind"] == "response"]
    assert responses
    for case in responses:
        found = extract(case["pred"])
        assert (found is not None and found.answer == case["gold"]) == case["expected"]
