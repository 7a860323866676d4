"""Runs the code of one sample: its sessions, their prelude, and what the model is shown of each execution."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from skillforge.errors import SandboxUnusable
from skillforge.parts.code import CodeProtocol, ToolLoop, ToolProtocol
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sandbox import Execution, SandboxPool, SandboxSession
from skillforge.text import one_line

PRELUDE_SECONDS = 60.0
TRIES = 3
"""How often a block is run whose sandbox failed, which is no fault of the code."""


class Tools(msgspec.Struct, frozen=True):
    """What the code of a sample is run with."""

    protocol: CodeProtocol | ToolProtocol
    loop: ToolLoop
    style: PromptStyle
    style_options: Any
    pool: SandboxPool


class CodeRunner:
    """The sessions of one sample. Nothing is started before there is code."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._pool = tools.pool
        self._loop = tools.loop
        self._session: SandboxSession | None = None
        self._sessions = contextlib.AsyncExitStack()
        self._prepared = False

    async def __aenter__(self) -> CodeRunner:
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._sessions.aclose()

    async def run(self, code: str) -> Execution:
        """Run one block. Faults of the code are a status; one of the sandbox is tried again in a fresh session."""
        code = self._tools.style.prepare_code(code, self._tools.style_options)
        if self._loop.last_line == "print":
            code = with_printed_last_line(code)
        for attempt in range(1, TRIES + 1):
            async with self._a_session() as session:
                execution = await self._run_in(session, code)
            if execution.status != "sandbox-error" or attempt == TRIES:
                break
            await self._forget_session()
        return msgspec.structs.replace(execution, value=None) if self._loop.last_line == "hide" else execution

    def shown(self, execution: Execution) -> str:
        """What the model sees of `execution`: as its prompt style writes it, cut to the limit."""
        loop, cut_mark = self._loop, self._tools.protocol.cut_mark
        text, most = self._tools.style.show_output(execution, loop, self._tools.style_options), loop.max_output
        if len(text) <= most:
            return text
        if loop.output_cut == "tail":
            return text[:most] + cut_mark
        if loop.output_cut == "head":
            return cut_mark + text[len(text) - most :]
        last = most // 2
        return text[: most - last] + cut_mark + text[len(text) - last :]

    @contextlib.asynccontextmanager
    async def _a_session(self) -> AsyncIterator[SandboxSession]:
        """The sample's session, or one for this block alone."""
        if self._loop.state == "fresh":
            self._prepared = False
            async with self._pool.disposable() as session:
                yield session
            return
        if self._session is None:
            self._prepared = False
            self._session = await self._sessions.enter_async_context(self._pool.session())
        yield self._session

    async def _run_in(self, session: SandboxSession, code: str) -> Execution:
        """Run `code`, after the prelude where the interpreter is a fresh one."""
        if self._loop.prelude and not self._prepared:
            prepared = await session.run(self._loop.prelude, PRELUDE_SECONDS)
            if prepared.status == "sandbox-error":
                return prepared
            self._refuse_fault(prepared)
        execution = await session.run(code, self._loop.timeout)
        self._prepared = execution.state != "lost"
        return execution

    @staticmethod
    def _refuse_fault(prepared: Execution) -> None:
        """Raises SandboxUnusable where the prelude failed."""
        if prepared.status != "ok":
            last = (prepared.stderr.strip().splitlines() or [prepared.status])[-1]
            raise SandboxUnusable(
                f"the code that is to run first in each session (rollout.prelude) fails: {one_line(last)}",
                "install what it imports where the sandbox's Python is, or change -o rollout.prelude",
            )

    async def _forget_session(self) -> None:
        await self._sessions.aclose()
        self._session = None


def with_printed_last_line(code: str) -> str:
    """`code`, with its last expression, if it ends with one that prints nothing itself, inside of `print(…)`.

    Found in the syntax tree and replaced in the text, so that line numbers and all else stay. Code that cannot be parsed
    is left to fail by itself.
    """
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    if not body or not isinstance(body[-1], ast.Expr) or _prints(body[-1].value):
        return code
    value = body[-1].value
    lines = code.encode().splitlines(keepends=True)  # columns are counted in bytes
    first, last = value.lineno - 1, (value.end_lineno or value.lineno) - 1
    # The end before the beginning: both may be on one line.
    lines[last] = _inserted(lines[last], value.end_col_offset or 0, b")")
    lines[first] = _inserted(lines[first], value.col_offset, b"print(")
    return b"".join(lines).decode()


def _prints(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"


def _inserted(line: bytes, at: int, what: bytes) -> bytes:
    return line[:at] + what + line[at:]
