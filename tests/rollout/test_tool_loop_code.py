"""Rules of the tool loop for code: errors, outputs, values, what lives on from block to block, and faults of the sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from scripted_server import Reply
from tool_loops import ANSWER, RAW, TEXT, TOOLS, Workbench, asking, called, each_chat, fenced, tagged

from skillforge import Execution, SandboxPool, SandboxSession
from skillforge.errors import SandboxUnusable
from skillforge.parts.sandbox import OutputListener, SandboxLoad

TRACEBACK = (
    'Traceback (most recent call last):\n  File "<cell 1>", line 1, in <module>\n    1/0\n    ~^~\n'
    "ZeroDivisionError: division by zero"
)


@pytest.mark.parametrize(
    ("style", "settings", "reply", "shown"),
    [
        ("openmath", {}, tagged("1/0"), "Execution error: division by zero"),
        ("openmath", {}, tagged("1 +"), "Syntax error: invalid syntax"),
        ("openmath-kaggle", {}, Reply("<tool_call>\n1/0\n", stop_reason="</tool_call>"), TRACEBACK + "\n"),
        (
            "numina-tir",
            {},
            fenced("1/0"),
            'Traceback (most recent call last):\n  File "tmp.py", line 1, in <module>\n    print(1/0)\n'
            "ZeroDivisionError: division by zero",
        ),
        ("tora", {}, fenced("1/0"), "ZeroDivisionError: division by zero"),
        ("qwen-math-tir", {}, fenced("1/0"), "ZeroDivisionError: division by zero"),
        ("deepseek-math-tir", {}, fenced("1/0"), "Runtime errors: ZeroDivisionError: division by zero"),
        ("chat", TEXT, fenced("1/0"), TRACEBACK),
        ("chat", RAW, fenced("1/0"), TRACEBACK),
        ("chat", TOOLS, called("1/0"), TRACEBACK),
    ],
)
def test_an_error_is_shown_or_ends_the_sample(
    bench: Workbench, style: str, settings: dict[str, Any], reply: Reply, shown: str
) -> None:
    going_on = bench.roll(style, [reply, ANSWER], loop={"on_error": "show"}, **settings)
    assert (going_on.outputs, going_on.sample.finish_reason) == ([shown], "stop")
    stopped = bench.roll(style, [reply], loop={"on_error": "stop"}, **settings)
    assert (stopped.outputs, stopped.sample.finish_reason) == ([shown], "code-error")
    assert [segment.status for segment in stopped.written if segment.kind == "output"] == ["error"]


@pytest.mark.parametrize(
    ("style", "settings", "reply", "shown"),
    [
        ("openmath", {}, tagged("while True: pass"), "timeout"),
        ("openmath-kaggle", {}, Reply("<tool_call>\nwhile True: pass", stop_reason="</tool_call>"), "Timed out\n"),
        ("numina-tir", {}, fenced("while True: pass"), "Timed out after 0.25 seconds."),
        ("tora", {}, fenced("while True: pass"), "Timeout Error"),
        ("qwen-math-tir", {}, fenced("while True: pass"), "Timeout Error"),
        ("deepseek-math-tir", {}, fenced("while True: pass"), "Runtime errors: Timeout Error"),
    ],
)
def test_a_time_out_is_shown_as_the_model_knows_it(
    bench: Workbench, style: str, settings: dict[str, Any], reply: Reply, shown: str
) -> None:
    rolled = bench.roll(style, [reply, ANSWER], loop={"timeout": 0.25, "on_error": "show"}, **settings)
    assert (rolled.outputs, rolled.sample.finish_reason) == ([shown], "stop")
    assert [segment.status for segment in rolled.written if segment.kind == "output"] == ["timeout"]


@each_chat
def test_a_time_out_leaves_the_variables(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "x = 3\\nwhile True: pass" if settings is TOOLS else "x = 3\nwhile True: pass")]
    rolled = bench.roll("chat", [*replies, asking(settings, "x"), ANSWER], loop={"timeout": 1.0}, **settings)
    first, second = rolled.outputs
    assert first.endswith("[timed out after 1 seconds]") and second == "3"


@pytest.mark.parametrize(
    ("cut", "most", "shown"),
    [
        ("tail", 7, "0123456..."),
        ("head", 7, "...9abcdef"),
        ("middle", 7, "0123...def"),
        ("middle", 8, "0123...cdef"),
        ("middle", 1, "0..."),
        ("tail", 16, "0123456789abcdef"),
    ],
)
@each_chat
def test_a_long_output_is_cut(bench: Workbench, settings: dict[str, Any], cut: str, most: int, shown: str) -> None:
    replies = [asking(settings, "print('0123456789abcdef')"), ANSWER]
    rolled = bench.roll("chat", replies, loop={"max_output": most, "output_cut": cut}, **settings)
    assert rolled.outputs == [shown]


def test_hostile_output_changes_nothing_but_itself(bench: Workbench) -> None:
    """Marks of the protocol, control characters and half a character in what the code prints."""
    code = "print('```\\n</tool_call>\\x1b[2J\\0' + chr(0xd800) + '```python')"
    rolled = bench.roll("chat", [fenced(code), ANSWER], **TEXT)
    assert rolled.kinds == ["code", "output", "text"]
    assert rolled.outputs[0].startswith("```\n</tool_call>\x1b[2J\0") and rolled.outputs[0].endswith("```python")
    assert rolled.sample.state == "done"


@pytest.mark.parametrize(
    ("code", "value", "printed", "hidden"),
    [
        ("x = 'a'\nx", "'a'", "a", ""),
        ("print(1)\n2", "1\n2", "1\n2", "1"),
        ("print(1)", "1", "1", "1"),
        ("x = 5", "", "", ""),
        ("'é' + ( # one\n 'b')", "'éb'", "éb", ""),
        ("1; None", "", "None", ""),
    ],
)
@pytest.mark.parametrize("state", ["session", "fresh"])
def test_the_value_of_the_last_line(
    bench: Workbench, code: str, value: str, printed: str, hidden: str, state: str
) -> None:
    shown = [
        bench.roll("chat", [fenced(code), ANSWER], loop={"last_line": rule, "state": state}, **TEXT).outputs
        for rule in ("value", "print", "hide")
    ]
    assert shown == [[value], [printed], [hidden]]


@each_chat
def test_variables_live_on_in_a_session_only(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "x = 7"), asking(settings, "x"), ANSWER]
    assert bench.roll("chat", replies, loop={"state": "session"}, **settings).outputs == ["", "7"]
    alone = bench.roll("chat", replies, loop={"state": "fresh"}, **settings).outputs[1]
    assert alone.endswith("NameError: name 'x' is not defined")


@pytest.mark.parametrize("state", ["session", "fresh"])
def test_the_prelude_runs_first_in_each_interpreter(bench: Workbench, state: str) -> None:
    """Once for a session; again where it was lost with all variables."""
    prelude = "import os\ncount = globals().get('count', 0) + 1\nsquare = lambda n: n * n\nprint('never shown')"
    replies = [
        fenced("x = square(5); x"),
        fenced("x, count"),
        fenced("os._exit(3)"),
        fenced("square(6), count"),
        ANSWER,
    ]
    rolled = bench.roll("chat", replies, loop={"state": state, "prelude": prelude}, **TEXT)
    first, second, crash, after = rolled.outputs
    assert (first, after) == ("25", "(36, 1)")
    assert second == "(25, 1)" if state == "session" else second.endswith("NameError: name 'x' is not defined")
    lost = "; all variables are lost" if state == "session" else ""
    assert crash == f"[died: exit code 3{lost}]"


@pytest.mark.parametrize(
    ("prelude", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os; os._exit(1)", "died"),
        ("1 +", "SyntaxError: invalid syntax"),
    ],
)
def test_a_prelude_that_fails_ends_the_run(bench: Workbench, prelude: str, said: str) -> None:
    with pytest.raises(SandboxUnusable) as caught:
        bench.roll("chat", [fenced("1")], loop={"prelude": prelude}, **TEXT)
    assert str(caught.value) == (
        f"the code that is to run first in each session (rollout.prelude) fails: {said}; install what it imports where the "
        "sandbox's Python is, or change -o rollout.prelude"
    )


class FailingPool(SandboxPool):
    """A sandbox whose first runs fail through no fault of the code, which costs the session its state."""

    def __init__(self, pool: SandboxPool, failures: int) -> None:
        self._pool = pool
        self.failures = failures
        self.ran: list[str] = []

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[SandboxSession]:
        async with self._pool.session() as session:
            yield FailingSession(self, session)

    def load(self) -> SandboxLoad:
        return self._pool.load()


class FailingSession(SandboxSession):
    def __init__(self, pool: FailingPool, session: SandboxSession) -> None:
        self._pool = pool
        self._session = session

    async def run(self, code: str, timeout: float, on_output: OutputListener | None = None) -> Execution:
        self._pool.ran.append(code)
        self._pool.failures -= 1
        if self._pool.failures >= 0:
            return Execution(status="sandbox-error", state="lost", detail="the supervisor is gone")
        return await self._session.run(code, timeout, on_output)


@pytest.mark.parametrize("state", ["session", "fresh"])
@pytest.mark.parametrize(
    ("failures", "ran"),
    [(0, ["y = 4", "y\n"]), (1, ["y = 4", "y = 4", "y\n"]), (2, ["y = 4", "y = 4", "y = 4", "y\n"])],
)
def test_a_fault_of_the_sandbox_is_no_fault_of_the_code(
    bench: Workbench, state: str, failures: int, ran: list[str]
) -> None:
    pool = FailingPool(bench.pool, failures)
    rolled = bench.roll("chat", [fenced("y"), ANSWER], loop={"prelude": "y = 4", "state": state}, pool=pool, **TEXT)
    assert (rolled.outputs, pool.ran) == (["4"], ran)


@each_chat
def test_a_sandbox_that_keeps_failing_costs_the_sample(bench: Workbench, settings: dict[str, Any]) -> None:
    pool = FailingPool(bench.pool, 3)
    rolled = bench.roll("chat", [asking(settings, "y")], pool=pool, **settings)
    assert (rolled.sample.state, rolled.sample.error) == ("error", "the sandbox failed: the supervisor is gone")
    assert (rolled.kinds, len(pool.ran)) == (["code"], 3)
