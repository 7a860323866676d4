"""The grading process's end of a session: what it asks of the modules in `inside`, and how long that may take."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from pathlib import Path

from skillforge import Execution, SandboxPool, SandboxSession, SandboxUnusable
from skillforge.parts.sandbox import ExecutionStatus
from skillforge.text import one_line
from skillforge_code_tests_grader.held import Held
from skillforge_code_tests_grader.inside.handing_over import PIECE
from skillforge_code_tests_grader.inside.plain_data import LONGEST_MESSAGE

NO_MESSAGE = "its reply is no plain data"
WAIT = 8.0
"""Seconds that a session may keep us waiting. Where a sandbox cannot give two at once, we would wait for ever."""

_PACKAGE = "skillforge_code_tests_grader.inside"
_FOLDER = Path(__file__).with_name("inside")
_MODULES = ("handing_over", "plain_data", "choosing", "candidate", "testing", "program")

_COMPILING = """\
import marshal
marshal.dumps(compile({source!a}, {name!a}, "exec")).hex()
"""
_LOADING = """\
import marshal, sys, types
for _name, _code in {modules!a}:
    _module = sys.modules[_name] = types.ModuleType(_name)
    exec(marshal.loads(bytes.fromhex(_code)), vars(_module))
"""


class Stopped(Exception):
    """A cell did not come to its end; the message says why, in words that are safe to show."""

    def __init__(self, why: str, status: ExecutionStatus) -> None:
        super().__init__(why)
        self.status = status


class Budget:
    """The seconds that all cells of a problem may take together. Waiting for a session does not count."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._left = seconds

    async def run(self, session: SandboxSession, code: str, most: float, least: float) -> Execution:
        """Run a cell for what is left, but at least and at most so many seconds. Raises Stopped."""
        limit = min(most, max(least, self._left))
        if limit <= 0:
            raise Stopped(self._over(), "timeout")
        execution = await session.run(code, limit)
        self._left -= execution.seconds
        if execution.status == "ok":
            return execution
        if execution.status == "timeout":
            raise Stopped(f"it ran over {limit:g} s" if limit == most else self._over(), "timeout")
        raise Stopped(_why(execution), execution.status)

    def _over(self) -> str:
        return f"the {self.seconds:g} s for all tests of the problem are over"


class Side:
    """A session with modules of `inside` in it, whose functions it can be asked to call."""

    def __init__(self, session: SandboxSession, budget: Budget, loading: str) -> None:
        self._session = session
        self._budget = budget
        self._loading = loading

    async def run(self, code: str, most: float = math.inf, least: float = 0.0) -> Execution:
        """Run a cell for what is left of the budget, but at least and at most so many seconds. Raises Stopped."""
        loading, self._loading = self._loading, ""
        return await self._budget.run(self._session, loading + code, most, least)

    async def ask(self, expression: str, most: float = math.inf, least: float = 0.0) -> str:
        """The message that `expression` hands over, as `run` runs it. Raises Stopped."""
        head, _, text = ((await self.run(expression, most, least)).value or "").partition(":")
        if not (head.isascii() and head.isdecimal() and len(head) < 9 and int(head) < 2 * LONGEST_MESSAGE):
            raise Stopped(NO_MESSAGE, "protocol-violation")
        length, pieces, got = int(head), [text], len(text)
        while got < length and len(pieces[-1]) == PIECE:
            pieces.append((await self.run("next_piece()", most, least)).value or "")
            got += len(pieces[-1])
        if got != length:
            raise Stopped(NO_MESSAGE, "protocol-violation")
        return "".join(pieces)


class Sides:
    """Gives out fresh sessions of a sandbox, with modules of `inside` in them."""

    def __init__(self, pool: SandboxPool) -> None:
        self._pool = pool
        self._compiled: dict[str, str] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Have the modules compiled in the sandbox, once, by the interpreter that will run them. Raises SkillForgeError."""
        async with self._session() as session:
            for module in _MODULES:
                name, source = f"{_PACKAGE}.{module}", (_FOLDER / f"{module}.py").read_text("utf-8")
                execution = await session.run(_COMPILING.format(source=source, name=name), WAIT)
                if execution.value is None:
                    raise SandboxUnusable(f"the sandbox cannot run the grader's own code: {_why(execution)}")
                self._compiled[name] = execution.value.strip("'")

    @contextlib.asynccontextmanager
    async def open(self, budget: Budget, *modules: str) -> AsyncIterator[Side]:
        """A session that nothing has run in. Raises SkillForgeError where there is none in time."""
        names = [f"{_PACKAGE}.{module}" for module in modules]
        loading = _LOADING.format(modules=[(name, self._compiled[name]) for name in names])
        loading += "".join(f"from {name} import *\n" for name in names)
        async with self._session() as session:
            yield Side(session, budget, loading)

    async def close(self) -> None:
        """Wait for the end of the sessions that were given out."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[SandboxSession]:
        held = Held(self._pool.session())
        try:
            async with asyncio.timeout(WAIT):
                session = await held.enter()
        except TimeoutError:
            raise SandboxUnusable(
                f"the sandbox gave no session within {WAIT:g} s", "it must be able to run two at once"
            ) from None
        try:
            yield session
        finally:
            ending = held.leave()
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


def _why(execution: Execution) -> str:
    detail = f" ({one_line(execution.detail, 60)})" if execution.detail else ""
    match execution.status:
        case "error":
            return f"it raised {one_line(execution.stderr.rstrip().rpartition(chr(10))[2], 120)}"
        case "exit":
            return f"it ended the program{detail}"
        case "died":
            return f"it crashed{detail}"
        case "oom":
            return f"it took too much memory{detail}"
        case "output-limit":
            return f"it wrote far too much{detail}"
        case "protocol-violation":
            return f"it spoke in the sandbox's place{detail}"
    return f"the sandbox failed{detail}"
