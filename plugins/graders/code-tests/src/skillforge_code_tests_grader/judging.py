"""Running the tests of one problem: what the session of the code says is only ever passed on, or compared."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from skillforge import Verdict
from skillforge.text import one_line, storable
from skillforge_code_tests_grader.fenced_code import Writing
from skillforge_code_tests_grader.inside.plain_data import FAILED, LONGEST_MESSAGE
from skillforge_code_tests_grader.output_comparison import same_output
from skillforge_code_tests_grader.problem_tests import AssertTests, StdinTests
from skillforge_code_tests_grader.sides import NO_MESSAGE, Budget, Side, Sides, Stopped

_CODE = ("handing_over", "plain_data", "choosing", "candidate")
_TESTS = ("handing_over", "plain_data", "testing")
_PROGRAM = ("handing_over", "choosing", "program")

_LAST_WORD = 1.0
"""Seconds in which the tests may tell how they went when their time is over."""

_CHOICE = msgspec.json.Decoder(tuple[int | None, str])
_OUTPUT = msgspec.json.Decoder(str)
_PROGRESS = msgspec.json.Decoder(tuple[list[tuple[int, str, str, int]], str | None])


class Limits(NamedTuple):
    """Seconds: of one call or one run of the code, and of all cells of a problem."""

    call: float
    problem: float


class NotJudged(Exception):
    """No fault of the code: the sandbox failed, or the tests are broken."""


async def judge(tests: AssertTests | StdinTests, writing: Writing, sides: Sides, limits: Limits) -> Verdict:
    """The verdict on what a model wrote. Raises NotJudged."""
    if isinstance(tests, AssertTests):
        return await _judge_function(tests, writing, sides, limits)
    return await _judge_program(tests, writing, sides, limits)


async def _judge_function(tests: AssertTests, writing: Writing, sides: Sides, limits: Limits) -> Verdict:
    """Let `tests` call the function in `writing`."""
    budget = Budget(limits.problem)
    async with sides.open(budget, *_CODE) as code:
        chosen = await _choose(code, writing, tests.prompt, tests.entry_point)
        if isinstance(chosen, Verdict):
            return chosen
        async with sides.open(budget, *_TESTS) as testing:
            return await _Trial(tests, chosen, code, testing, limits).run()


async def _judge_program(tests: StdinTests, writing: Writing, sides: Sides, limits: Limits) -> Verdict:
    """Run the program in `writing` on each case, in a session of its own, and compare its output here."""
    budget = Budget(limits.problem)
    chosen: str | Verdict | None = None
    passed, total, failure = 0, len(tests.cases), ""
    for number, case in enumerate(tests.cases, 1):
        async with sides.open(budget, *_PROGRAM) as side:
            chosen = chosen or await _choose(side, writing)
            if isinstance(chosen, Verdict):
                return chosen
            try:
                written = _OUTPUT.decode(await side.ask(f"run({chosen!a}, {case.input!a})", limits.call))
            except msgspec.DecodeError:
                failure = failure or f"case {number} of {total}: {NO_MESSAGE}"
            except Stopped as stop:
                _check_sandbox(stop)
                failure = failure or f"case {number} of {total}: {stop}"
                if stop.status not in ("error", "exit"):
                    break  # no other case is given the same time
            else:
                if same_output(case.output, written):
                    passed += 1
                else:
                    failure = failure or f"case {number} of {total}: other output"
    return _verdict(str(chosen), passed, total, failure)


async def _choose(side: Side, writing: Writing, prompt: str = "", entry_point: str = "") -> str | Verdict:
    """The text that is the program; a verdict where none is."""
    try:
        choice = await side.ask(f"choose({list(writing.texts)!a}, {prompt!a}, {entry_point!a})")
    except Stopped as stop:
        _check_sandbox(stop)
        return Verdict(state="wrong", reason=f"the code cannot be read: {stop}", score=0.0)
    number, fault = _CHOICE.decode(choice)
    if number is not None:
        return writing.texts[number]
    if not writing.marked:
        return Verdict(state="no-answer", reason="no code was found")
    reason = f"the code cannot be used: {one_line(fault, 120)}"
    return Verdict(state="wrong", answer=_storable(writing.texts[-1]), reason=reason, score=0.0)


class _Trial:
    """The tests of one problem on their way from call to call."""

    def __init__(self, tests: AssertTests, answer: str, code: Side, testing: Side, limits: Limits) -> None:
        self._tests = tests
        self._answer = answer
        self._code = code
        self._testing = testing
        self._limit = limits.call
        self._total = len(tests.statements)
        self._passed: dict[int, bool] = {}
        """Of the tests that were reported, by their numbers."""
        self._failure = ""
        self._replied = False
        """Whether the tests have seen anything of the code: what fails before is broken by itself."""

    async def run(self) -> Verdict:
        tests = self._tests
        call = await self._proceed(
            f"begin({tests.prompt!a}, {tests.entry_point!a}, {tests.code!a}, {list(tests.statements)!a})"
        )
        try:
            await self._code.run(f"start({tests.entry_point!a})", self._limit)
        except Stopped as stop:
            _check_sandbox(stop)
            return _verdict(self._answer, 0, self._total, f"the code cannot be loaded: {stop}")
        while call is not None:
            reply = await self._reply(call)
            self._replied = True
            call = await self._proceed(f"proceed({reply!a})")
        return _verdict(self._answer, sum(self._passed.values()), self._total, self._failure)

    async def _reply(self, call: str) -> str:
        try:
            reply = await self._code.ask(f"call({call!a})", self._limit)
        except Stopped as stop:
            _check_sandbox(stop)
            return f"{FAILED}{stop}"
        as_it_should_be = len(reply) <= LONGEST_MESSAGE and reply.isascii() and reply.isprintable()
        return reply if as_it_should_be else f"{FAILED}{NO_MESSAGE}"

    async def _proceed(self, expression: str) -> str | None:
        """Go on with the tests, and take down what they tell. The next call, or None at the end."""
        try:
            results, call = _PROGRESS.decode(await self._testing.ask(expression, least=_LAST_WORD))
        except (Stopped, msgspec.DecodeError) as error:
            if isinstance(error, Stopped):
                _check_sandbox(error)
            self._fail(len(self._passed) + 1, f"it stopped: {error}", 0)
            return None
        for number, how, why, line in results:
            if how == "unsupported":
                raise NotJudged(f"this grader cannot run these tests: {self._describe(number, why, line)}")
            if number:
                self._passed[number] = how == "passed"
            if how != "passed":
                self._fail(number, why, line)
        return call

    def _fail(self, number: int, why: str, line: int) -> None:
        failure = self._describe(number, why, line)
        if not self._replied:
            raise NotJudged(f"the tests fail before they call the code: {failure}")
        self._failure = self._failure or failure

    def _describe(self, number: int, why: str, line: int) -> str:
        """Which test failed, why, and its statement as the tests have it."""
        place = f"test {number} of {self._total}" if number else "the code of the tests"
        statement = self._tests.statements[number - 1] if number else ""
        if 0 < line <= len(lines := self._tests.code.splitlines()):
            statement = lines[line - 1]
        return f"{place}: {one_line(why, 120)}" + (f": {one_line(statement, 120)}" if statement else "")


def _check_sandbox(stop: Stopped) -> None:
    if stop.status == "sandbox-error":
        raise NotJudged(str(stop))


def _verdict(code: str, passed: int, total: int, failure: str) -> Verdict:
    """`correct` only where every test is known to have passed."""
    if failure:
        return Verdict(state="wrong", answer=_storable(code), reason=failure, score=passed / total)
    if passed != total:
        raise NotJudged(f"only {passed} of {total} tests were reported")
    reason = "the test passes" if total == 1 else f"all {total} tests pass"
    return Verdict(state="correct", answer=_storable(code), reason=reason, score=1.0)


def _storable(code: str) -> str:
    return str(storable(code))
