from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from skillforge import Problem, Verdict
from skillforge.registry import Registry
from skillforge.testing import check_grader
from skillforge_code_tests_grader import CodeTestsGrader, sides

Grade = Callable[..., Verdict]

TESTS = {"style": "assert", "entry_point": "f", "asserts": ["assert f(2) == 4", "assert f(3) == 9"]}
RIGHT, WRONG = "```python\ndef f(x): return x * x\n```", "```python\ndef f(x): return 2 * x\n```"


def test_contract(grade: Grade) -> None:
    problem = Problem(id="0", question="?", metadata={"tests": TESTS})
    check_grader(
        CodeTestsGrader(), cases=[(problem, RIGHT, "correct"), (problem, WRONG, "wrong"), (problem, "", "no-answer")]
    )


def test_it_is_found_by_its_entry_point() -> None:
    assert Registry().get("grader", "code-tests").name == "code-tests"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sandbox": "locl"}, "unknown sandbox 'locl'; did you mean 'local'?"),
        ({"sandbox_options": ("memory",)}, "'memory' in grader.sandbox_options is not NAME=VALUE"),
        ({"sandbox_options": ("memori=1",)}, "unknown option 'grader.sandbox_options memori'; did you mean 'memory'?"),
    ],
)
def test_a_sandbox_that_cannot_be_used_is_an_error_that_says_what_to_do(
    grade: Grade, options: dict[str, object], reason: str
) -> None:
    for _ in range(2):
        verdict = grade(TESTS, RIGHT, **options)
        assert verdict.state == "error" and verdict.reason and verdict.reason.startswith(reason), verdict


def test_a_sandbox_with_a_single_session_is_an_error_soon(grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "WAIT", 0.5)
    for text in (RIGHT, RIGHT):
        verdict = grade(TESTS, text, sandbox_options=("sessions=1",))
        assert verdict.state == "error" and "two at once" in (verdict.reason or ""), verdict


def test_options_reach_the_sandbox(grade: Grade) -> None:
    tests = {"style": "assert", "entry_point": "f", "asserts": ["assert f() == 200_000_000"]}
    code = "```python\ndef f(): return len(bytearray(b'x') * 200_000_000)\n```"
    assert grade(tests, code).state == "correct"
    assert grade(tests, code, sandbox_options=("memory=128",)).state == "wrong"


def test_a_process_that_has_graded_ends_without_a_word_and_leaves_nothing(grade: Grade) -> None:
    script = f"""
from skillforge import Problem, Transcript
from skillforge.parts.transcript import Segment
from skillforge_code_tests_grader import CodeTestsGrader, CodeTestsOptions
problem = Problem(id="0", question="?", metadata={{"tests": {TESTS!r}}})
print(CodeTestsGrader().grade(problem, Transcript((Segment("text", {RIGHT!r}),)), CodeTestsOptions()).state)
"""
    # A process of the sandbox that lived on would hold the pipe of stdout open, and this would not return.
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("correct\n", "")
