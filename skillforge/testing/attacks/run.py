"""Runs hostile snippets in a sandbox, one by one, and looks at what each has done."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.parts.part import PartOptions
from skillforge.parts.sandbox import Execution, ExecutionStatus, Sandbox, SandboxPool, SandboxSession, SessionState
from skillforge.testing.attacks import left
from skillforge.testing.attacks.bait import LEFT, Bait
from skillforge.testing.attacks.snippet import LIMIT, Snippet
from skillforge.text import one_line

OVERTIME = 4.0
"""Seconds that ending a snippet may take beyond its limit."""

PATIENCE = 2.0
"""Seconds in which the processes of a session that has ended must be gone."""

STUCK = 30.0
"""Seconds after which a session that does not answer, start or end is given up."""

GROWTH = 64 * 2**20
"""Bytes that this process may need for one snippet, at the most demanding moment."""

LATE = 0.1
"""Seconds between a snippet and the next cell of its session, for what it left behind to act."""

NEXT_CELL = "print(6 * 7)\n6 * 7"
SIBLING_BEGINS = left.MARKING + "with open('sf_attack.txt', 'w') as file: print(sf_attack, file=file)"
SIBLING_LOOKS = f"""
import importlib, importlib.util, os
importlib.invalidate_caches()
with open("sf_attack.txt") as file: print("state", sf_attack, file.read().strip())
for folder in ("/tmp", "/var/tmp", "/dev/shm", "."):
    try: print(folder, "has", *sorted(name for name in os.listdir(folder) if name.startswith("{LEFT}")))
    except OSError: pass
print("module", importlib.util.find_spec("{LEFT}"))
"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one snippet."""

    name: str
    what: str
    status: ExecutionStatus | None
    """None: the sandbox gave no execution."""

    state: SessionState | None
    seconds: float
    """Wall time of the whole call."""

    violations: tuple[str, ...]
    """What it did that it must not, in plain words."""

    @property
    def contained(self) -> bool:
        return not self.violations


async def attack(
    part: Sandbox, options: PartOptions, snippets: Iterable[Snippet], bait: Bait | None = None
) -> AsyncIterator[Result]:
    """Run each snippet in a fresh session of `part`, beside a sibling session and `bait`.

    What one breaks is told with that one alone. Raises UsageError where the bait cannot be laid out, and SkillForgeError
    where the sandbox cannot be opened.
    """
    if not sys.platform.startswith("linux"):
        raise UsageError("attacks can be judged on Linux only", "run them there")
    bait = bait or Bait()
    with left.adopting_orphans():
        async with bait.laid_out(), part.open(options) as pool, AsyncExitStack() as stack:
            sibling = await stack.enter_async_context(_Sibling(pool))
            field = _Field(pool, bait, sibling)
            await field.settle()
            for snippet in snippets:
                yield await field.try_out(snippet)


class _Sibling:
    """A session that only looks on. It is replaced where it was harmed."""

    def __init__(self, pool: SandboxPool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Self:
        self._context = self._pool.session()
        self._session = await self._context.__aenter__()
        try:
            await self._look(SIBLING_BEGINS.format(mark=_new_mark()))
            self._view = await self._look(SIBLING_LOOKS)
        except BaseException:
            await self._context.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._context.__aexit__(None, None, None)

    async def harm(self) -> list[str]:
        """What has been done to it since it was started, or replaced."""
        try:
            view = await self._look(SIBLING_LOOKS)
            if view == self._view:
                return []
            cause = f"the sibling is not as it was: {one_line(view)}"
        except Exception as error:
            cause = f"the sibling is not as it was: {one_line(str(error))}"
        with contextlib.suppress(Exception):  # a pool that is broken for good shows at the next look again
            await self.__aexit__()
            await self.__aenter__()
        return [cause]

    async def _look(self, code: str) -> str:
        """What a harmless cell prints. Raises SkillForgeError."""
        try:
            async with asyncio.timeout(2 * STUCK):
                seen = await self._session.run(code, STUCK)
        except TimeoutError:
            raise SkillForgeError("a harmless cell is not answered") from None
        if seen.status != "ok":
            raise SkillForgeError(f"a harmless cell ends with '{seen.status}': {seen.detail or seen.shown}")
        return seen.stdout


class _Field:
    """An open pool, with a sibling and bait around it."""

    def __init__(self, pool: SandboxPool, bait: Bait, sibling: _Sibling) -> None:
        self._pool = pool
        self._bait = bait
        self._sibling = sibling
        self._usual = 0

    async def settle(self) -> None:
        """Wait until the pool has started all that it keeps ready."""
        ready, since = -1, time.monotonic()
        while time.monotonic() - since < 0.5:
            if (now := self._pool.load().ready) != ready:
                ready, since = now, time.monotonic()
            await asyncio.sleep(0.05)
        self._usual = len(left.descendants())

    async def try_out(self, snippet: Snippet) -> Result:
        """Run one snippet, and look at all around it."""
        trial = _Trial(snippet, _new_mark())
        before = left.descendants()
        memory = _Memory()
        try:
            async with asyncio.timeout(4 * STUCK), self._pool.session() as session:
                await trial.run(session)
        except TimeoutError:
            trial.violations.append("the session did not answer, or did not end")
        except Exception as error:
            trial.violations.append(f"the sandbox raised {type(error).__name__}: {one_line(str(error), 200)}")
        if (growth := memory.growth()) > GROWTH:
            trial.violations.append(f"this process grew by {growth // 2**20:,} MB")
        trial.violations += await self._left_processes(trial.mark, before)
        trial.violations += await self._sibling.harm()
        trial.violations += self._bait.touched()
        for secret in self._bait.secrets_in("\n".join(trial.texts)):
            trial.violations.append(secret)
        return trial.result()

    async def _left_processes(self, mark: str, before: set[int]) -> list[str]:
        end = time.monotonic() + PATIENCE
        while True:
            now = left.descendants()
            found = left.marked(mark) | (now - before if len(now) > self._usual else set())
            if not found:
                return []
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.05)
        self._usual = max(self._usual, len(now))
        return [f"{len(found)} processes of the session are left: {', '.join(map(str, sorted(found)[:5]))}"]


class _Trial:
    """One snippet in its session."""

    def __init__(self, snippet: Snippet, mark: str) -> None:
        self.mark = mark
        self.violations: list[str] = []
        self.texts: list[str] = []
        """All that the session gave back."""
        self._snippet = snippet
        self._execution: Execution | None = None
        self._seconds = 0.0

    async def run(self, session: SandboxSession) -> None:
        marking = await self._cell(session, left.MARKING.format(mark=self.mark), STUCK)
        if marking.status != "ok":
            self.violations.append(f"a harmless cell before it ends with '{marking.status}'")
            return
        began, limit = time.monotonic(), self._snippet.limit
        try:
            self._execution = execution = await self._cell(session, self._snippet.code, limit)
        finally:
            self._seconds = time.monotonic() - began
        if self._seconds > limit + OVERTIME:
            self.violations.append(f"it took {self._seconds:.1f} s, with {limit:g} s allowed")
        self.violations += self._snippet.violations(execution)
        await asyncio.sleep(LATE)
        await self._go_on(session, execution.state)

    async def _go_on(self, session: SandboxSession, state: SessionState) -> None:
        """The session must serve on, with or without its variables, as it said."""
        after = await self._cell(session, NEXT_CELL, LIMIT)
        if after.state != "kept":  # what the snippet had left has ended it meanwhile, which it tells
            state = after.state
            after = await self._cell(session, NEXT_CELL, LIMIT)
        if after.value != "42" or after.stdout.strip() not in ("42", ""):  # the code may have replaced `print`
            self.violations.append(f"the next cell gives {after.status}: {one_line(after.shown, 200)!r}")
            return
        found = await self._cell(session, "sf_attack", LIMIT)
        kept = "kept" if found.value == repr(self.mark) else "lost"
        if found.state == "kept" and kept != state.replace("restored", "kept"):
            self.violations.append(f"the session says that its state is {state}, but it is {kept}")

    async def _cell(self, session: SandboxSession, code: str, limit: float) -> Execution:
        async with asyncio.timeout(limit + STUCK):
            execution = await session.run(code, limit)
        texts = (execution.stdout, execution.stderr, execution.value, execution.detail, execution.late_output)
        self.texts += filter(None, texts)
        return execution

    def result(self) -> Result:
        execution = self._execution
        return Result(
            name=self._snippet.name,
            what=self._snippet.what,
            status=execution.status if execution else None,
            state=execution.state if execution else None,
            seconds=round(self._seconds, 3),
            violations=tuple(self.violations),
        )


class _Memory:
    """How far the memory of this process rises from now on."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from here on
        self._before = _status("VmRSS")

    def growth(self) -> int:
        """Bytes between then and the peak since."""
        return _status("VmHWM") - self._before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _new_mark() -> str:
    return "sf" + secrets.token_hex(6)
