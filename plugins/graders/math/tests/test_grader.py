from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from skillforge import PartOptions, Problem, Segment, Transcript, Verdict
from skillforge.registry import Registry
from skillforge.testing import check_grader
from skillforge_math_grader import MathGrader, check

SHARED = Path(__file__).resolve().parents[4].parent / "shared"
SOLUTIONS = SHARED / "data" / "gsm8k" / "example_model_solutions.jsonl"
CASES = SHARED / "grading"
GRADER = MathGrader()


def grade(expected: str | None, text: str, answer: str | None = None) -> Verdict:
    problem = Problem(id="0", question="How many?", expected_answer=expected)
    return GRADER.grade(problem, Transcript((Segment("text", text),)), PartOptions(), answer)


def test_verdicts() -> None:
    assert grade("18", "It is \\boxed{18.0}.") == Verdict(state="correct", answer="18.0", reason="boxed; equal numbers")
    assert grade("18", "#### 19") == Verdict(state="wrong", answer="19", reason="####; different numbers")
    assert grade("18", "No idea.") == Verdict(state="no-answer", reason="no answer found")
    assert grade(None, "#### 18").state == grade(" ", "#### 18").state == "error"


def test_the_answer_that_the_prompt_style_read_comes_first() -> None:
    assert grade("18", "\\boxed{19}", answer="18").reason == "read by the prompt style; identical text"
    assert grade("18", "\\boxed{19}", answer="  ").answer == "19"


def test_a_long_text_without_an_answer_tells_what_was_read() -> None:
    assert grade("18", "\\boxed{18}" + "x" * 200_000).reason == "no answer found in the last 100000 characters"


def test_private_reasoning_and_the_prompt_are_not_read() -> None:
    transcript = Transcript(
        (Segment("prompt", "\\boxed{18}", "user"), Segment("reasoning", "\\boxed{18}"), Segment("text", "None."))
    )
    problem = Problem(id="0", question="How many?", expected_answer="18")
    assert GRADER.grade(problem, transcript, PartOptions()).state == "no-answer"


def test_a_verdict_can_be_stored_whatever_the_text() -> None:
    verdict = grade("18", "\\boxed{\ud800é}")
    assert verdict.state == "wrong"
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict).answer == "\\ud800é"


def test_contract() -> None:
    problem = Problem(id="0", question="How many?", expected_answer="18")
    check_grader(GRADER, cases=[(problem, "The answer is 18 dollars.", "correct"), (problem, "It is 1,800.", "wrong")])


def test_it_is_found_by_its_entry_point_and_cheap_to_import() -> None:
    assert Registry().get("grader", "math").name == "math"
    code = "import sys, skillforge_math_grader; print([m for m in ('sympy', 'datasets', 'numpy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.skipif(
    not SOLUTIONS.is_file(), reason=f"NOT TESTED: GSM8K's recorded model solutions are not at {SOLUTIONS}"
)
@pytest.mark.parametrize(
    ("model", "correct"),
    [("6b_finetuning", 286), ("6b_verification", 515), ("175b_finetuning", 458), ("175b_verification", 742)],
)
def test_gsm8k_model_solutions_are_judged_as_recorded(model: str, correct: int) -> None:
    rows = [json.loads(line) for line in SOLUTIONS.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1319
    judged = [
        grade(row["ground_truth"].rpartition("\nA: ")[2], row[model]["solution"]).state == "correct" for row in rows
    ]
    assert judged == [row[model]["is_correct"] for row in rows]
    assert sum(judged) == correct


@pytest.mark.skipif(not CASES.is_dir(), reason=f"NOT TESTED: the grading cases are not in {CASES}")
def test_no_wrong_answer_of_the_grading_cases_is_accepted() -> None:
    lines = (CASES / "constructed.jsonl").read_text(encoding="utf-8").splitlines()
    lines += gzip.decompress((CASES / "edgecases.jsonl.gz").read_bytes()).decode().splitlines()
    wrong = [case for case in map(json.loads, lines) if not case["expected"]]
    assert len(wrong) > 500
    for case in wrong:
        if case.get("kind") == "response":
            assert grade(case["gold"], case["pred"]).state != "correct"
        else:
            assert not check(case["gold"], case["pred"]).equal


@pytest.mark.skipif(not CASES.is_dir(), reason=f"NOT TESTED: the grading cases are not in {CASES}")
def test_inputs_on_which_graders_hang_take_no_time() -> None:
    for line in gzip.decompress((CASES / "hang.jsonl.gz").read_bytes()).decode().splitlines():
        case = json.loads(line)
        start = time.process_time()
        check(case["gold"], case["pred"])
        grade(case["gold"], case["pred"])
        assert time.process_time() - start < 1.0, case["name"]
