"""An unusable sandbox stops a run before it begins."""

from __future__ import annotations

import pytest

from skillforge import SandboxUnusable, SkillForgeError, UsageError
from skillforge_code_tests_grader import CodeTestsGrader, CodeTestsOptions


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (CodeTestsOptions(sandbox="no-such"), SkillForgeError, "no-such"),
        (CodeTestsOptions(sandbox_options=("memory",)), UsageError, "grader.sandbox_options is not NAME=VALUE"),
        (CodeTestsOptions(sandbox_options=("memory=much",)), UsageError, "memory"),
        (CodeTestsOptions(sandbox_options=("preload=no_such_module",)), SandboxUnusable, "no_such_module"),
    ],
)
def test_what_cannot_judge_says_so(options: CodeTestsOptions, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CodeTestsGrader().check(options)


def test_what_can_judge_says_nothing() -> None:
    CodeTestsGrader().check(CodeTestsOptions())
