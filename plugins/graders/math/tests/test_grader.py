from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillforge import Problem, Segment, Transcript, Verdict
from skillforge.registry import Registry
from skillforge.testing import check_grader
from skillforge_math_grader import MathGrader, check, extract
from skillforge_math_grader.grader import MathOptions

SHARED = Path(__file__).resolve().parents[4].parent / "shared"
SOLUTIONS = SHARED / "data" / "gsm8k" / "example_model_solutions.jsonl"
CASES = SHARED / "grading"
TORA = SHARED / "data" / "tir_samples" / "tora-code-34b-v1.0"
GRADER = MathGrader()


def grade(expected: str | None, text: str, answer: str | None = None, **options: Any) -> Verdict:
    problem = Problem(id="0", question="How many?", expected_answer=expected)
    return GRADER.grade(problem, Transcript((Segment("text", text),)), MathOptions(**options), answer)


def test_verdicts() -> None:
    assert grade("18", "It is \\boxed{18.0}.") == Verdict(
        state="correct", answer="18.0", reason="boxed; numbers: equal numbers"
    )
    assert grade("18", "#### 19") == Verdict(state="wrong", answer="19", reason="####; numbers: different numbers")
    assert grade("18", "No idea.") == Verdict(state="no-answer", reason="no answer found")
    assert grade(None, "#### 18").state == grade(" ", "#### 18").state == "error"


def test_what_cannot_be_read_is_wrong_and_says_that_it_is_undecided() -> None:
    verdict = grade("18", "\\boxed{@@ 18 @@}")
    assert verdict.state == "wrong"
    assert verdict.reason is not None and verdict.reason.startswith("boxed; undecided, text: not understood")


def test_options_say_what_counts_as_equal_and_where_answers_stand() -> None:
    assert grade("0.5", "\\boxed{50\\%}").state == "correct"
    assert grade("0.5", "\\boxed{50\\%}", policy="strict").state == "wrong"
    assert grade("1", "\\boxed{100}", policy="nemo-2024").state == "correct"
    assert grade("B", "The correct choice is B.", kind="choice").state == "correct"
    assert grade("12", "He has 12 left.", kind="text").state == "no-answer"
    assert grade("18", "The answer is 19.\n#### 18", rules=("answer phrase",)).answer == "19"


def test_explain_shows_the_stages() -> None:
    problem = Problem(id="0", question="?", expected_answer="\\frac{\\sqrt3}{3}")
    transcript = Transcript((Segment("text", "So it is $\\boxed{1/\\sqrt{3}}$."),))
    steps = GRADER.explain(problem, transcript, MathOptions())
    assert [step.name for step in steps][:3] == ["find the answer", "read expected", "read predicted"]
    assert steps[0].detail == "boxed: 1/\\sqrt{3}"
    assert ("modular", "equal") in [(step.name, step.outcome) for step in steps]
    assert (steps[-1].name, steps[-1].outcome) == ("verdict", "correct")
    nothing = GRADER.explain(problem, Transcript((Segment("text", "None."),)), MathOptions())
    assert [(step.name, step.outcome) for step in nothing] == [
        ("find the answer", "not found"),
        ("verdict", "no-answer"),
    ]


def test_the_answer_that_the_prompt_style_read_comes_first() -> None:
    assert grade("18", "\\boxed{19}", answer="18").reason == "read by the prompt style; identical: the same text"
    assert grade("18", "\\boxed{19}", answer="  ").answer == "19"


def test_a_long_text_without_an_answer_tells_what_was_read() -> None:
    assert grade("18", "\\boxed{18}" + "x" * 200_000).reason == "no answer found in the last 100000 characters"


def test_private_reasoning_and_the_prompt_are_not_read() -> None:
    transcript = Transcript(
        (Segment("prompt", "\\boxed{18}", "user"), Segment("reasoning", "\\boxed{18}"), Segment("text", "None."))
    )
    problem = Problem(id="0", question="How many?", expected_answer="18")
    assert GRADER.grade(problem, transcript, MathOptions()).state == "no-answer"


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


@pytest.mark.skipif(not TORA.is_dir(), reason=f"NOT TESTED: ToRA's recorded outputs are not in {TORA}")
def test_tora_outputs_score_as_by_exact_comparison() -> None:
    """Its authors count 1,064, with a tolerance of a factor of 100 (5 for 0.05, 70 for 0.7)."""
    (path,) = TORA.rglob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1319
    assert sum(check(row["gt"], row["pred"][0]).equal for row in rows) == 1062


def cases(name: str) -> list[dict[str, Any]]:
    data = (CASES / name).read_bytes()
    return [
        json.loads(line) for line in (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()
    ]


def judged_equal(case: dict[str, Any]) -> bool:
    if case.get("kind") != "response":
        return check(case["gold"], case["pred"]).equal
    found = extract(case["pred"])
    return found is not None and check(case["gold"], found.answer).equal


@pytest.mark.skipif(not CASES.is_dir(), reason=f"NOT TESTED: the grading cases are not in {CASES}")
def test_the_grading_cases_are_judged_as_a_careful_person_does() -> None:
    rows = cases("constructed.jsonl") + cases("edgecases.jsonl.gz")
    assert len(rows) == 1601
    missed = [(case["gold"], case["pred"], case["expected"]) for case in rows if judged_equal(case) != case["expected"]]
    assert not [pair for pair in missed if not pair[2]], "a wrong answer was accepted"
    assert len(missed) <= 2, missed


@pytest.mark.skipif(not CASES.is_dir(), reason=f"NOT TESTED: the grading cases are not in {CASES}")
def test_inputs_on_which_graders_hang_take_no_time() -> None:
    for case in cases("hang.jsonl.gz"):
        start = time.process_time()
        check(case["gold"], case["pred"])
        grade(case["gold"], case["pred"])
        assert time.process_time() - start < 1.0, case["name"]
