"""The tests of a problem, as its metadata holds them under `tests`."""

from __future__ import annotations

import msgspec

from skillforge import Problem, UsageError


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a program reads from standard input, and what it must write to standard output."""

    input: str
    output: str


class AssertTests(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="style", tag="assert"
):
    """Tests that call a function, in the style of HumanEval (`check`) or of MBPP (`asserts`)."""

    entry_point: str
    """Name of the function under test; the tests may also call it `candidate`."""

    prompt: str = ""
    """The beginning of the program where the model was asked to go on with it. The tests may use what it defines."""

    code: str = ""
    """What the tests need; without `asserts`, it defines `check(candidate)`, which is the one test."""

    asserts: tuple[str, ...] = ()
    """Statements, each a test."""

    @property
    def statements(self) -> tuple[str, ...]:
        return self.asserts or ("check(candidate)",)


class StdinTests(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="style", tag="stdin"):
    """Tests that run a whole program, each case by itself."""

    cases: tuple[Case, ...]


def tests_of(problem: Problem) -> AssertTests | StdinTests:
    """The problem's tests. Raises UsageError."""
    if "tests" not in problem.metadata:
        raise UsageError("the problem has no tests in its metadata")
    try:
        tests = msgspec.convert(problem.metadata["tests"], AssertTests | StdinTests)
    except msgspec.ValidationError as error:
        raise UsageError(f"the problem's metadata['tests'] cannot be used: {error}") from None
    if isinstance(tests, StdinTests) and not tests.cases:
        raise UsageError("the problem's metadata['tests'] has no cases")
    if isinstance(tests, AssertTests) and not tests.entry_point.isidentifier():
        raise UsageError("the problem's metadata['tests'] names no function as its entry_point")
    return tests
