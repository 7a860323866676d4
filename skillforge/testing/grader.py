"""The contract of a grader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import msgspec

from skillforge.parts.grader import Grader, ModelGrader, Step, Verdict, VerdictState
from skillforge.parts.part import PartOptions
from skillforge.parts.problem import Problem
from skillforge.parts.transcript import Transcript
from skillforge.testing.declaration import begin
from skillforge.testing.examples import ANOTHER, HOSTILE_TEXTS, PROBLEM, transcript
from skillforge.testing.isolated import CallFailed, Isolated, Unpicklable
from skillforge.testing.model_grader import Answered, check_asking
from skillforge.testing.report import CheckResult, Checks, GivenOptions, expect

_STATES = get_args(VerdictState)
_ANSWERS = ("7", "7", "42", "", "x", "7", "\\frac{1}{2}", "é")

Case = tuple[Problem, str, VerdictState]
"""A problem, the model's text, and the state that the verdict must have."""


def check_grader(
    part: Grader,
    *,
    options: GivenOptions = None,
    cases: Sequence[Case] = (),
    reply: str = "",
    limit: float = 30.0,
) -> list[CheckResult]:
    """Check a grader, also on hostile texts, in a process of its own; `limit` is in seconds for each text.

    `cases` are judged too, and must come out as they say; `reply` is what the model says to each question of a ModelGrader.
    Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()
    grader = Answered(part, reply) if isinstance(part, ModelGrader) else part
    _check_verdicts(checks, grader, usable, cases)
    _check_explanations(checks, grader, usable)
    _check_group(checks, grader, usable)
    if _check_elsewhere(checks, grader, usable, limit) and isinstance(part, ModelGrader):
        check_asking(checks, part, usable, limit)
    return checks.finish()


def _check_verdicts(checks: Checks, part: Grader, options: PartOptions, cases: Sequence[Case]) -> None:
    with checks.check("verdicts", "return a skillforge.Verdict with one of its states, and a score from 0 to 1"):
        for text in ("The answer is \\boxed{7}.", "\\boxed{8}", "I do not know.", ""):
            for answer in (None, "7"):
                _expect_verdict(part.grade(PROBLEM, transcript(text), options, answer))
        _expect_verdict(part.grade(PROBLEM, Transcript(), options))
    with checks.check("no expected answer", "answer a problem that cannot be judged with Verdict(state='error')"):
        verdict = part.grade(Problem(id="1", question=PROBLEM.question), transcript("\\boxed{7}"), options)
        _expect_verdict(verdict)
        expect(verdict.state != "correct", "a problem without an expected answer was judged correct")
    with checks.check("judges the same again", "let the verdict depend on the arguments only"):
        for text in ("\\boxed{7}", "\\boxed{8}", "7", ""):
            first = part.grade(PROBLEM, transcript(text), options)
            part.grade(ANOTHER, transcript("\\boxed{42}", ANOTHER), options)
            expect(part.grade(PROBLEM, transcript(text), options) == first, f"{text!r} is judged in two ways")
    for number, (problem, text, state) in enumerate(cases, 1):
        with checks.check(f"case {number}", "this is the author's own case"):
            verdict = part.grade(problem, transcript(text, problem), options)
            found = f"{text!r} against {problem.expected_answer!r} is {verdict.state} ({verdict.reason})"
            expect(verdict.state == state, f"{found}, not {state}")


def _expect_verdict(verdict: object, where: str = "") -> None:
    expect(isinstance(verdict, Verdict), f"{where}it returned {type(verdict).__name__}, not Verdict")
    assert isinstance(verdict, Verdict)
    expect(verdict.state in _STATES, f"{where}the state is {verdict.state!r}")
    for field in ("answer", "reason"):
        value = getattr(verdict, field)
        expect(value is None or isinstance(value, str), f"{where}{field} is {type(value).__name__}, not str or None")
    score = verdict.score
    expect(score is None or (isinstance(score, int | float) and 0 <= score <= 1), f"{where}the score is {score!r}")
    expect(verdict.state not in ("correct", "wrong") or verdict.reason != "", f"{where}the reason is empty")


def _check_explanations(checks: Checks, part: Grader, options: PartOptions) -> None:
    with checks.check(
        "explains itself", "return a tuple of skillforge.Step, at least one, or leave explain() as it is"
    ):
        for text in ("The answer is \\boxed{7}.", "\\boxed{8}", ""):
            for answer in (None, "7"):
                _expect_steps(part.explain(PROBLEM, transcript(text), options, answer))


def _expect_steps(steps: object, where: str = "") -> None:
    expect(isinstance(steps, tuple) and steps != (), f"{where}it returned {steps!r:.80}")
    assert isinstance(steps, tuple)
    for step in steps:
        expect(isinstance(step, Step), f"{where}a stage is {type(step).__name__}, not Step")
        try:
            msgspec.convert(msgspec.to_builtins(step), Step)
        except msgspec.ValidationError as error:
            expect(False, f"{where}the stage {step!r:.80} is not valid ({error})")
        expect(step.name != "" and step.outcome != "", f"{where}a stage has no name or no outcome")


def _check_group(checks: Checks, part: Grader, options: PartOptions) -> None:
    with checks.check("groups answers", "return one number for each answer, the same one for equal answers"):
        expect(list(part.group([], options)) == [], "no answers give numbers")
        numbers = list(part.group(_ANSWERS, options))
        expect(len(numbers) == len(_ANSWERS), f"{len(_ANSWERS)} answers give {len(numbers)} numbers")
        expect(all(isinstance(number, int) for number in numbers), f"it returned {numbers!r}")
        for answer, number in zip(_ANSWERS, numbers, strict=True):
            expect(number == numbers[_ANSWERS.index(answer)], f"the answer {answer!r} is in two groups")
        expect(list(part.group(_ANSWERS, options)) == numbers, "a second call groups in another way")


def _check_elsewhere(checks: Checks, part: Grader, options: PartOptions, limit: float) -> bool:
    """Grading in another process, as a run does it, and so that hostile text cannot harm this one; tells if it can be done."""
    with checks.check("picklable", "define the class at the top level of its module, and keep nothing open in it"):
        try:
            with Isolated(part, limit) as elsewhere:
                elsewhere.start()
        except (Unpicklable, CallFailed) as error:
            expect(False, f"it cannot be sent to another process: {error}")
    if not checks.results[-1].ok:
        checks.skip("hostile texts", "it cannot be sent to another process")
        return False
    with Isolated(part, limit) as elsewhere:
        with checks.check("judges the same elsewhere", "let the verdict depend on no set order, hash or clock"):
            for text in ("\\boxed{7}", "\\boxed{8}", ""):
                here = part.grade(PROBLEM, transcript(text), options)
                there = elsewhere.call("grade", PROBLEM, transcript(text), options)
                expect(here == there, f"{text!r} is {here.state} here and {there.state} in another process")
        for bad, arguments in _hostile_calls(options):
            with checks.check(
                f"hostile: {bad}", "catch what can fail, bound its length and time, and never evaluate text"
            ):
                _grade_hostile(elsewhere, arguments)
        with checks.check("groups hostile answers", "never raise on an answer; bound length and time"):
            numbers = elsewhere.call("group", list(HOSTILE_TEXTS.values()), options)
            expect(len(numbers) == len(HOSTILE_TEXTS), f"{len(HOSTILE_TEXTS)} answers give {len(numbers)} numbers")
    return True


def _hostile_calls(options: PartOptions) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    """Each hostile text as the model's text, as the answer that was read, and as the expected answer."""
    for bad, text in HOSTILE_TEXTS.items():
        against = msgspec.structs.replace(PROBLEM, expected_answer=text)
        yield (
            bad,
            [
                (PROBLEM, transcript(text), options, None),
                (PROBLEM, transcript("\\boxed{7}"), options, text),
                (against, transcript("\\boxed{7}"), options, None),
                (against, transcript(text), options, text),
            ],
        )


def _grade_hostile(elsewhere: Isolated, calls: Sequence[tuple[object, ...]]) -> None:
    places = ("in the transcript", "as the answer", "as the expected answer", "everywhere")
    for place, arguments in zip(places, calls, strict=True):
        try:
            verdict = elsewhere.call("grade", *arguments)
            steps = elsewhere.call("explain", *arguments)
        except CallFailed as failed:
            expect(False, f"{place}: it {failed}")
        _expect_verdict(verdict, f"{place}: ")
        _expect_steps(steps, f"{place}: ")
