"""The pool of the sandbox `http`: sessions of a service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from yarl import URL

from skillforge import SandboxLoad, SandboxPool, SandboxSession, SandboxUnusable
from skillforge_http_sandbox import HttpOptions, wire
from skillforge_http_sandbox.access import token_in
from skillforge_http_sandbox.remote import RemoteSession
from skillforge_http_sandbox.transport import Answer, NoAnswer, Transport
from skillforge_http_sandbox.wire import Load, NewSession, SessionRequest, new_session_id

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

_GONE_FOR_NOW = frozenset({502, 503, 504})
"""What a service that is ending answers, and a gateway before one that is being restarted."""

_load: msgspec.json.Decoder[Load] = msgspec.json.Decoder(Load)
_new_session: msgspec.json.Decoder[NewSession] = msgspec.json.Decoder(NewSession)


@asynccontextmanager
async def open_pool(options: HttpOptions) -> AsyncIterator[SandboxPool]:
    """The sessions of the service. Raises SandboxUnusable where it cannot be reached, or does not let us in."""
    transport = Transport(options.base_url, token_in(options.token_env))
    pool = RemotePool(transport, options)
    try:
        await pool.check()
        yield pool
    finally:
        await pool.close()


class RemotePool(SandboxPool):
    """Opens sessions in the service, and tells how many of its own there are."""

    def __init__(self, transport: Transport, options: HttpOptions) -> None:
        self.transport = transport
        self._options = options
        self._in_use = 0
        self._waiting = 0
        self._ready = 0
        self._background: set[asyncio.Task[None]] = set()

    def load(self) -> SandboxLoad:
        """The sessions of this pool, and those that wait; the ready ones are the service's, as it last told."""
        return SandboxLoad(in_use=self._in_use, ready=self._ready, waiting=self._waiting)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SandboxSession]:
        """A fresh session; waits where the service has none free. Raises SandboxUnusable where it has gone away."""
        session = RemoteSession(self, await self.create())
        self._in_use += 1
        try:
            yield session
        finally:
            self._in_use -= 1
            await self.to_the_end(session.end())

    async def check(self) -> None:
        """See whether the service is there and lets us in. Raises SandboxUnusable."""
        try:
            answer = await self.transport.send("GET", self.transport.url(wire.LOAD))
            if answer.status != 200:
                raise self._refused(answer)
            self._ready = answer.read(_load).ready
        except NoAnswer as fault:
            raise self._unreachable(fault) from None

    async def create(self) -> URL:
        """The address of a new session. Raises SandboxUnusable where the service stays away or refuses."""
        self._waiting += 1
        try:
            return await self._create()
        finally:
            self._waiting -= 1

    async def _create(self) -> URL:
        clock = asyncio.get_running_loop().time
        give_up = clock() + self._options.patience
        pause = _FIRST_PAUSE
        while True:
            asked_to_wait = 0.0
            try:
                answer = await self._ask_for_session()
                if answer.status == 201:
                    return self.opened(answer)
                if answer.status == 429:
                    give_up = clock() + self._options.patience
                    asked_to_wait = answer.retry_after or 0.0
                elif answer.status not in _GONE_FOR_NOW or clock() > give_up:
                    raise self._refused(answer)
            except NoAnswer as fault:
                if not fault.may_pass or clock() > give_up:
                    raise self._unreachable(fault) from None
            await asyncio.sleep(asked_to_wait + pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _ask_for_session(self) -> Answer:
        """One request; where we do not hear the answer, a session that it opens is ended."""
        session_id = new_session_id()
        try:
            body = wire.encode(SessionRequest(session_id))
            return await self.transport.send("POST", self.transport.url(wire.SESSIONS), body, timeout=None)
        except BaseException:
            self.in_background(RemoteSession(self, self._url_of(session_id)).end())
            raise

    def opened(self, answer: Answer) -> URL:
        """The address of the session that a 201 tells of. Raises NoAnswer where it tells of none."""
        session = answer.read(_new_session)
        self._ready = session.ready
        return self._url_of(session.id)

    def _url_of(self, session_id: str) -> URL:
        return self.transport.url(f"{wire.SESSIONS}/{session_id}")

    async def to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`; it goes on where the caller is cancelled."""
        await asyncio.shield(self.in_background(work))

    def in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` before the pool is closed."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def close(self) -> None:
        """Wait for what is still ending, and close the connections."""
        if self._background:
            await asyncio.wait(self._background)
        await self.transport.close()

    def _refused(self, answer: Answer) -> SandboxUnusable:
        said = self.transport.fault(answer).detail
        if answer.status in (401, 403):
            what = f"the sandbox service at {self.transport.base_url} does not let us in: {said}"
            name = self._options.token_env
            return SandboxUnusable(what, f"put the service's token into the environment variable {name}")
        what = f"the sandbox service at {self.transport.base_url} opens no session: {said}"
        if answer.status < 500:
            return SandboxUnusable(what, "check sandbox.base_url: does 'skillforge sandbox serve' listen there?")
        return SandboxUnusable(what, "see what the service wrote")

    def _unreachable(self, fault: NoAnswer) -> SandboxUnusable:
        return SandboxUnusable(
            f"cannot use the sandbox service at {self.transport.base_url}: {fault}",
            "start it with 'skillforge sandbox serve', or correct sandbox.base_url",
        )
