"""Sandbox: runs code that a model wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import msgspec

from skillforge.parts.part import Part

ExecutionStatus = Literal[
    "ok", "error", "exit", "timeout", "died", "oom", "output-limit", "protocol-violation", "sandbox-error"
]
SessionState = Literal["kept", "restored", "lost"]
StreamName = Literal["stdout", "stderr"]
OutputListener = Callable[[StreamName, str], None]
"""Told of output while it comes: the stream, and the next piece of its text."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What running one cell (a block of code) gave. All text is hostile: it is what the code wrote."""

    status: ExecutionStatus
    """`ok`; `error`: it raised; `exit`: it raised SystemExit; `timeout`; `died`: its process ended (crash, signal,
    `os._exit`); `oom`: over its memory; `output-limit`: it wrote far too much; `protocol-violation`: it spoke in the
    sandbox's place; `sandbox-error`: no fault of the code, it may be run again."""

    state: SessionState = "kept"
    """What the next cell of the session finds: the variables as this cell left them, those from before this cell, or a fresh
    interpreter."""

    stdout: str = ""
    """Where a part is left out of the middle, a line in its place tells how many bytes."""

    stderr: str = ""
    """Also the traceback of what the code raised."""

    value: str | None = None
    """`repr` of the cell's last expression, unless it is None; cut at a limit."""

    detail: str = ""
    """More on the status in a few words, such as `SIGSEGV` or the limit that was reached; `exit code N` of an exit."""

    late_output: str = ""
    """What threads and processes of earlier cells wrote since the cell before this one had ended."""

    seconds: float = 0.0
    """Wall time from when a ready interpreter got the code; never includes `waited`."""

    waited: float = 0.0
    """Seconds spent before that on waiting for an interpreter."""

    @property
    def fine(self) -> bool:
        """Whether the code ended without a fault; `exit()` without a code, or with 0, is none."""
        return self.status == "ok" or (self.status == "exit" and self.detail == "exit code 0")

    @property
    def printed(self) -> str:
        """stdout without the white space around it, then the value."""
        return "\n".join(part for part in (self.stdout.strip(), self.value) if part)

    @property
    def fault(self) -> str:
        """The last line of stderr: of a traceback, what was raised."""
        return self.stderr.rstrip().rpartition("\n")[2]

    @property
    def shown(self) -> str:
        """What an interactive interpreter shows: stdout, then the value, then stderr."""
        parts = (self.stdout, self.value or "", self.stderr)
        return "\n".join(part.rstrip("\n") for part in parts if part)


class SandboxLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a pool of sessions is."""

    in_use: int
    ready: int
    """Sessions that are started and wait for a user."""

    waiting: int
    """Users that wait for a session."""


class SandboxSession(ABC):
    """One isolated interpreter. Its variables and files live from cell to cell; one cell runs at a time."""

    @abstractmethod
    async def run(self, code: str, timeout: float, on_output: OutputListener | None = None) -> Execution:
        """Run `code` for at most `timeout` seconds of wall time. Faults of the code are a status, never an exception.

        Where the interpreter is lost, the session goes on with a fresh one. Cancelling the call ends the cell.
        """

    def fork(self) -> AbstractAsyncContextManager[SandboxSession]:
        """A second session that starts with a copy of this one's variables, for rollouts that branch.

        It shares the files, the memory limit and the life of this session. Raises UsageError where the sandbox cannot.
        """
        from skillforge.errors import UsageError

        raise UsageError("this sandbox cannot fork a session", "open another session and run the cells again")


class SandboxPool(ABC):
    """An open sandbox: hands out sessions, to many tasks at once."""

    @abstractmethod
    def session(self) -> AbstractAsyncContextManager[SandboxSession]:
        """A fresh session; ended, with all its processes and files, on leaving the context.

        Waits, first come first served, where all that the sandbox may run are in use.
        """

    def disposable(self) -> AbstractAsyncContextManager[SandboxSession]:
        """A session like any, but that nothing is kept to restore it with where a cell takes its interpreter along.

        For code that runs alone: a checkpoint before each cell costs as much as the cell.
        """
        return self.session()

    @abstractmethod
    def load(self) -> SandboxLoad:
        """How busy it is now."""

    async def run_once(self, code: str, timeout: float) -> Execution:
        """Run `code` alone in a fresh session."""
        async with self.disposable() as session:
            return await session.run(code, timeout)


class Sandbox(Part):
    """A place where untrusted code can run without harm."""

    kind = "sandbox"

    def open(self, options: Any) -> AbstractAsyncContextManager[SandboxPool]:
        """Start what the sessions need; everything that was started ends on leaving the context.

        Raises SandboxUnusable where the machine lacks what it needs or what `options` demand of it.
        """
        raise NotImplementedError
