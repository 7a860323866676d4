from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from skillforge import Problem, SkillForgeError, Transcript, Verdict
from skillforge.parts.transcript import Segment
from skillforge_code_tests_grader import CodeTestsGrader, CodeTestsOptions
from skillforge_code_tests_grader.open_sandbox import sandbox

Grade = Callable[..., Verdict]


@pytest.fixture(scope="session")
def grade() -> Grade:
    """Grades what a model wrote against tests, in the real sandbox."""
    try:
        sandbox(CodeTestsOptions().sandbox, CodeTestsOptions().sandbox_options)
    except SkillForgeError as error:
        pytest.skip(f"NOT TESTED: no sandbox works here: {error}")

    def run(tests: object, text: str, answer: str | None = None, **options: Any) -> Verdict:
        problem = Problem(id="0", question="?", metadata={"tests": tests})
        transcript = Transcript((Segment("prompt", "?"), Segment("text", text)))
        return CodeTestsGrader().grade(problem, transcript, CodeTestsOptions(**options), answer)

    return run
