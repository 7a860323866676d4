"""The grader `code-tests`: runs the tests of coding problems; the code under test never sees them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from skillforge import Grader, PartOptions, Problem, SkillForgeError, Transcript, Verdict, hookimpl

SKILLFORGE_CONTRACT = 1

LONGEST_TEXT = 1_000_000
"""Characters of what a model wrote that are looked at."""


class CodeTestsOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the grader `code-tests`."""

    sandbox: Annotated[str, Meta(description="Sandbox that runs the code, and apart from it the tests.")] = "local"
    sandbox_options: Annotated[
        tuple[str, ...], Meta(description="An option of the sandbox as NAME=VALUE, such as memory=512; repeatable.")
    ] = ()
    timeout: Annotated[
        float,
        Meta(gt=0, le=20, description="Seconds that one call of the function, or one run of the program, may take."),
    ] = 5.0
    problem_timeout: Annotated[
        float, Meta(gt=0, le=20, description="Seconds that all tests of a problem may take together.")
    ] = 20.0


class CodeTestsGrader(Grader):
    """Runs a problem's tests in one sandbox session, and the code that they call in another.

    Arguments and results cross as plain data. So the code cannot see, change or forge tests, expected values or verdicts.
    """

    name = "code-tests"
    summary = "Runs the tests of coding problems; the code under test never sees them."
    Options = CodeTestsOptions

    def check(self, options: CodeTestsOptions) -> None:
        """Open the sandbox once, which tells whether it can be used."""
        from skillforge_code_tests_grader.open_sandbox import OpenSandbox

        OpenSandbox(options.sandbox, options.sandbox_options).close()

    def grade(
        self, problem: Problem, transcript: Transcript, options: CodeTestsOptions, answer: str | None = None
    ) -> Verdict:
        """`error` where the tests are broken or the sandbox fails; the score is the share of tests that pass."""
        from skillforge_code_tests_grader.fenced_code import code_in
        from skillforge_code_tests_grader.judging import Limits, NotJudged, judge
        from skillforge_code_tests_grader.open_sandbox import sandbox
        from skillforge_code_tests_grader.problem_tests import tests_of

        written = "".join(segment.text for segment in transcript.segments if segment.kind in ("text", "code"))
        writing = code_in(written[:LONGEST_TEXT], answer)
        limits = Limits(options.timeout, options.problem_timeout)
        try:
            tests = tests_of(problem)
            opened = sandbox(options.sandbox, options.sandbox_options)
            return opened.run(lambda sides: judge(tests, writing, sides, limits))
        except (NotJudged, SkillForgeError) as error:
            return Verdict(state="error", reason=str(error))


@hookimpl
def skillforge_grader() -> Grader:
    return CodeTestsGrader()
