"""RemoteSession: a session of the service, as its user sees it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
from yarl import URL

from skillforge import Execution, OutputListener, SandboxSession, SandboxUnusable, UsageError
from skillforge_http_sandbox import wire
from skillforge_http_sandbox.transport import NoAnswer
from skillforge_http_sandbox.wire import Fault, Finished, NewCell, Output

if TYPE_CHECKING:
    from skillforge_http_sandbox.client import RemotePool

_PAUSES = (0.1, 0.4, 1.0)
"""Seconds before a cell whose connection broke is asked for again, under the same id: the service runs it once."""

_GRACE_SECONDS = 60.0
"""How much longer than its timeout a cell may take: to wait for an interpreter, and to be ended."""

_execution: msgspec.json.Decoder[Execution] = msgspec.json.Decoder(Execution)


class RemoteSession(SandboxSession):
    """Holds a session of the service; where that is lost, tells so once and goes on with a fresh one."""

    def __init__(self, pool: RemotePool, url: URL | None, lost: str | None = None) -> None:
        self._pool = pool
        self._transport = pool.transport
        self._url = url
        self._lost = lost
        """Why the session is gone, until a cell has told."""
        self._turn = asyncio.Lock()
        self._numbers = itertools.count(1)

    async def run(self, code: str, timeout: float, on_output: OutputListener | None = None) -> Execution:
        """Run a cell in the service. Where the service or the session is lost, that is a `sandbox-error`.

        Raises UsageError for a timeout that the service does not take.
        """
        if not 0 < timeout <= wire.LONGEST_TIMEOUT:
            raise UsageError(f"a timeout of {timeout:g} s is not possible", f"give at most {wire.LONGEST_TIMEOUT:g} s")
        async with self._turn:
            if self._lost is not None:
                return self._report()
            number = str(next(self._numbers))
            try:
                if len(code) > wire.LONGEST_CODE or len(code.encode()) > wire.LONGEST_CODE:
                    return Execution(status="error", stderr=f"the code has more than {wire.LONGEST_CODE} bytes\n")
            except UnicodeEncodeError as error:
                return Execution(status="error", stderr=f"UnicodeEncodeError: {error}\n")
            body = wire.encode(NewCell(code, timeout, number))
            waited = 0.0
            if self._url is None:
                began = asyncio.get_running_loop().time()
                try:
                    self._url = await self._pool.create()
                except SandboxUnusable as error:
                    return _sandbox_error(str(error))
                waited = asyncio.get_running_loop().time() - began
            execution = await self._run(self._url, number, body, timeout, on_output)
            return msgspec.structs.replace(execution, waited=execution.waited + waited) if waited else execution

    @contextlib.asynccontextmanager
    async def fork(self) -> AsyncIterator[SandboxSession]:
        """A copy of the session, in the service. Raises UsageError where its sandbox cannot."""
        fork = await self._fork()
        try:
            yield fork
        finally:
            await self._pool.to_the_end(fork.end())

    async def end(self) -> None:
        """End the session in the service, if that can be reached."""
        url, self._url = self._url, None
        if url is not None:
            with contextlib.suppress(NoAnswer):  # then it ends when it was idle for long enough
                await self._transport.send("DELETE", url)

    async def _run(
        self, url: URL, number: str, body: bytes, timeout: float, on_output: OutputListener | None
    ) -> Execution:
        broken = False
        pauses = iter(_PAUSES)
        try:
            while True:
                try:
                    found = await self._ask(url, body, timeout, on_output)
                    break
                except NoAnswer as fault:
                    broken = True
                    pause = next(pauses, None) if fault.may_pass else None
                    if pause is None:
                        return self._lose(f"the sandbox service was lost while the cell ran ({fault})")
                    on_output = None  # a part of the output is missed: what was told so far is how it begins
                    await asyncio.sleep(pause)
        except BaseException:
            await self._pool.to_the_end(self._cancel(url, number))
            raise
        if isinstance(found, Execution):
            return found
        if found.error in ("unknown-session", "expired-session"):
            return self._lose(f"{'the connection broke' if broken else 'the code did not run'}: {found.detail}")
        return self._lose(found.detail)

    async def _ask(self, url: URL, body: bytes, timeout: float, on_output: OutputListener | None) -> Execution | Fault:
        cells, patience = _below(url, wire.CELLS), timeout + _GRACE_SECONDS
        if on_output is None:
            answer = await self._transport.send("POST", cells, body, timeout=patience)
            return answer.read(_execution) if answer.status == 200 else self._transport.fault(answer)
        found: Execution | Fault | None = None
        async with contextlib.aclosing(self._transport.events(cells, body, timeout=patience)) as events:
            async for event in events:  # to the end, so that the connection can be used again
                if isinstance(event, Output):
                    on_output(event.stream, event.text)
                else:
                    found = event.execution if isinstance(event, Finished) else event
        if found is None:
            raise NoAnswer("the stream broke off", may_pass=True)
        return found

    async def _cancel(self, url: URL, number: str) -> None:
        """End the cell in the service; where that cannot be known to have worked, the session is given up."""
        try:
            cell = _below(url, f"{wire.CELLS}/{number}")
            answer = await self._transport.send("DELETE", cell)
            failed = None if answer.status == 204 else self._transport.fault(answer).detail
        except NoAnswer as fault:
            failed = str(fault)
        if failed is not None:
            self._give_up()
            self._lost = f"a cell before this one was cancelled, and the session lost with it ({failed})"

    async def _fork(self) -> RemoteSession:
        async with self._turn:
            if self._lost is None:
                if self._url is None:
                    self._url = await self._pool.create()
                try:
                    answer = await self._transport.send("POST", _below(self._url, wire.FORK))
                    if answer.status == 201:
                        return RemoteSession(self._pool, self._pool.opened(answer))
                    fault = self._transport.fault(answer)
                    if fault.error == "cannot-fork":
                        raise UsageError(fault.detail, "open another session and run the cells again")
                    self._lost = fault.detail
                except NoAnswer as no_answer:
                    self._lost = str(no_answer)
                self._give_up()
            return RemoteSession(self._pool, None, self._lost)

    def _report(self) -> Execution:
        why, self._lost = self._lost, None
        return _sandbox_error(f"the code did not run: {why}")

    def _lose(self, why: str) -> Execution:
        self._give_up()
        return _sandbox_error(why)

    def _give_up(self) -> None:
        """Go on without the session, which may or may not be there still."""
        self._pool.in_background(RemoteSession(self._pool, self._url).end())
        self._url = None


def _sandbox_error(detail: str) -> Execution:
    return Execution(status="sandbox-error", state="lost", detail=detail)


def _below(url: URL, path: str) -> URL:
    return URL(str(url) + path, encoded=True)
