"""The contract of a sandbox."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

from skillforge.errors import SkillForgeError
from skillforge.parts.part import PartOptions
from skillforge.parts.sandbox import Execution, ExecutionStatus, Sandbox, SandboxPool, SandboxSession, SessionState
from skillforge.testing.declaration import begin
from skillforge.testing.report import CheckResult, Checks, GivenOptions, expect

_MANY = 5
_PATIENCE = 15.0
"""Seconds that ending a run may take beyond its timeout."""


def check_sandbox(part: Sandbox, *, options: GivenOptions = None, timeout: float = 10.0) -> list[CheckResult]:
    """Check a sandbox that runs Python, by running code in it. It is not checked how well the sandbox isolates.

    `timeout` is for code that should end. Not to be called from a running event loop. Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    if usable is not None:
        asyncio.run(_Trial(checks, part, usable, timeout).run())
    return checks.finish()


class _Trial:
    """Sessions of one sandbox, put to use."""

    def __init__(self, checks: Checks, part: Sandbox, options: PartOptions, timeout: float) -> None:
        self.checks = checks
        self.part = part
        self.options = options
        self.timeout = timeout

    async def run(self) -> None:
        try:
            async with self.part.open(self.options):
                pass
        except SkillForgeError as error:
            self.checks.skip("behaves", str(error))
            return
        except Exception:
            pass  # the first check shows it
        await self._prints()
        await self._keeps_state()
        await self._serves_many()
        await self._reports_faults()
        await self._stops_what_does_not_end()
        await self._outlives_a_crash()
        await self._leaves_nothing_behind()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[SandboxSession]:
        async with self.part.open(self.options) as pool, pool.session() as session:
            yield session

    async def _run(self, session: SandboxSession, code: str, timeout: float | None = None) -> Execution:
        allowed = self.timeout if timeout is None else timeout
        async with asyncio.timeout(allowed + _PATIENCE):
            execution = await session.run(code, allowed)
        expect(isinstance(execution, Execution), f"it returned {type(execution).__name__}, not Execution")
        expect(execution.status in get_args(ExecutionStatus), f"the status is {execution.status!r}")
        expect(execution.state in get_args(SessionState), f"the state is {execution.state!r}")
        for name in ("stdout", "stderr", "detail", "late_output"):
            text = getattr(execution, name)
            expect(isinstance(text, str), f"{name} is {type(text).__name__}")
        expect(execution.seconds >= 0 <= execution.waited, f"seconds {execution.seconds}, waited {execution.waited}")
        return execution

    async def _prints(self) -> None:
        with self.checks.check("prints", "return what the code prints as stdout, with the status 'ok'"):
            async with self._session() as session:
                execution = await self._run(session, "print(6 * 7)\nprint('é 問 🍎')")
            expect(execution.status == "ok", f"the status is {execution.status!r} ({execution.stderr})")
            expect(execution.stdout.split() == ["42", "é", "問", "🍎"], f"stdout is {execution.stdout!r}")
        with self.checks.check(
            "shows the last value", "return the repr of a last expression, unless it is None, as `value`"
        ):
            async with self._session() as session:
                shown = [(await self._run(session, code)).value for code in ("x = 5\nx * 2", "'a'", "x = 1", "None")]
            expect(shown == ["10", "'a'", None, None], f"the values are {shown}")

    async def _keeps_state(self) -> None:
        with self.checks.check("keeps state", "run the cells of one session in one interpreter of its own"):
            async with self.part.open(self.options) as pool, pool.session() as session, pool.session() as other:
                await self._run(session, "x = 41\ndef more(y):\n    return y + 1")
                execution = await self._run(session, "print(more(x))")
                foreign = await self._run(other, "print(x)")
            expect(execution.stdout.strip() == "42", f"stdout is {execution.stdout!r} ({execution.stderr})")
            expect(foreign.status == "error", "a variable of one session is seen in another")

    async def _serves_many(self) -> None:
        with self.checks.check("serves many", "hand out sessions to many tasks at once; let them wait, or start more"):
            async with self.part.open(self.options) as pool:
                expect(isinstance(pool, SandboxPool), f"open() yields {type(pool).__name__}, not SandboxPool")

                async def square(number: int) -> str:
                    async with pool.session() as session:
                        await self._run(session, f"x = {number}")
                        return (await self._run(session, "print(x * x)")).stdout.strip()

                found = await asyncio.gather(*map(square, range(_MANY)))
                load = pool.load()
            expect(found == [str(number * number) for number in range(_MANY)], f"the results are {found}")
            expect((load.in_use, load.waiting) == (0, 0), f"afterwards {load.in_use} are in use, {load.waiting} wait")

    async def _reports_faults(self) -> None:
        with self.checks.check("reports faults", "return the status 'error' with the message; never raise"):
            async with self._session() as session:
                for code, message in (
                    ("print('before')\nraise ValueError('deliberate')", "deliberate"),
                    ("def broken(:", "SyntaxError"),
                    ("1 / 0", "ZeroDivisionError"),
                ):
                    execution = await self._run(session, code)
                    expect(execution.status == "error", f"{code!r} has the status {execution.status!r}")
                    shown = execution.stdout + execution.stderr
                    expect(message in shown, f"{code!r} does not show {message!r}")
                    expect("before" not in code or "before" in execution.stdout, "what was printed before is lost")
        with self.checks.check("odd code", "return a status for any text; never raise or hang"):
            async with self._session() as session:
                for code in ("", "\x00", "print('\ud800')", "(" * 5000, "input()"):
                    await self._run(session, code)
                execution = await self._run(session, "print('still here')")
            expect("still here" in execution.stdout, f"afterwards the session is {execution.status!r}")
        with self.checks.check("exit", "return the status 'exit' for SystemExit; the session goes on"):
            async with self._session() as session:
                execution = await self._run(session, "import sys; sys.exit(3)")
                after = await self._run(session, "print('still here')")
            expect(execution.status == "exit", f"the status is {execution.status!r}")
            expect("still here" in after.stdout, f"afterwards the session is {after.status!r}")

    async def _stops_what_does_not_end(self) -> None:
        with self.checks.check("timeout", "end the code at its timeout, with the status 'timeout'"):
            async with self._session() as session:
                began = time.monotonic()
                execution = await self._run(session, "x = 1\nwhile True: pass", timeout=1.0)
                expect(execution.status == "timeout", f"the status is {execution.status!r}")
                expect(time.monotonic() - began >= 0.9, "it ended before its time")
                after = await self._run(session, "print(x)")
            expect(
                (after.status == "ok") == (execution.state == "kept"),
                f"the state is {execution.state!r}, but a variable made before is {after.status!r}",
            )

    async def _outlives_a_crash(self) -> None:
        with self.checks.check("crash", "return the status 'died', and go on with a fresh interpreter"):
            async with self._session() as session:
                execution = await self._run(session, "import os; os._exit(1)")
                expect(execution.status == "died", f"the status is {execution.status!r}")
                expect(execution.state != "kept", "the state is 'kept'")
                after = await self._run(session, "print('next')")
            expect(after.stdout.strip() == "next", f"the next cell is {after.status!r}")

    async def _leaves_nothing_behind(self) -> None:
        if not sys.platform.startswith("linux"):
            self.checks.skip("leaves nothing behind", "it is looked for on Linux only")
            return
        mark = f"skillforge-{uuid.uuid4().hex}"
        start = (
            "import subprocess, sys\n"
            f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)', {mark!r}])\n"
            "print(child.pid)"
        )
        with self.checks.check("leaves nothing behind", "end a session with all processes that it started"):
            async with self.part.open(self.options) as pool:
                async with pool.session() as session:
                    await self._run(session, start)
                for _ in range(20):
                    if not _processes_with(mark):
                        return
                    await asyncio.sleep(0.1)
                expect(False, f"process {', '.join(_processes_with(mark))} of the session still runs")


def _processes_with(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
