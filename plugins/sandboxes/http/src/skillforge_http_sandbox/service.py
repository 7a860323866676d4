"""Service: opens sessions in turn, finds them by their ids, and ends them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from skillforge import SandboxPool
from skillforge.text import one_line
from skillforge_http_sandbox.faults import Refused
from skillforge_http_sandbox.hosted import HostedSession
from skillforge_http_sandbox.wire import Load

_GONE_KEPT = 10_000
"""Ids of sessions that were ended."""

log = logging.getLogger("skillforge.sandbox.serve")


class Service:
    """The sessions of one sandbox, for many clients.

    `max_sessions` are open at once; `queue` requests wait for one, first come first served. A session ends that nobody
    used for `idle` seconds. A fork takes no place: it shares its session's limits and life.
    """

    def __init__(self, pool: SandboxPool, *, max_sessions: int, queue: int, idle: float) -> None:
        self._pool = pool
        self._max_sessions = max_sessions
        self._queue = queue
        self._idle = idle
        self._places = asyncio.Semaphore(max_sessions)
        self._waiting = 0
        self._starting: set[HostedSession] = set()
        self._sessions: dict[str, HostedSession] = {}
        self._gone: dict[str, bool] = {}  # id -> whether it was idle for too long
        self._ending = False

    async def open_session(self, session_id: str) -> HostedSession:
        """The session of this id, a fresh one where there is none yet.

        Raises Refused where the queue is full, or the session was ended, maybe before it was opened. Cancelling the call
        frees its place in the queue.
        """
        if hosted := self._sessions.get(session_id):
            return hosted
        if self._places.locked() and self._waiting >= self._queue:
            raise Refused("queue-full", f"{self._waiting} requests wait for a session already", waiting=self._waiting)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        if self._ending:
            self._places.release()
            raise Refused("ended", "the service is ending")
        hosted = HostedSession(session_id, self._pool.session(), self._idle)
        hosted.life.add_done_callback(lambda _: self._places.release())
        self._starting.add(hosted)
        try:
            await hosted.opened()
        finally:
            self._starting.discard(hosted)
        if session_id in self._gone or session_id in self._sessions:
            hosted.end()
            return self.find(session_id)
        self._keep(hosted)
        return hosted

    async def fork(self, session_id: str) -> HostedSession:
        """A copy of a session. Raises Refused where that cannot be."""
        fork = await self.find(session_id).fork()
        self._keep(fork)
        return fork

    def find(self, session_id: str) -> HostedSession:
        """The session of this id. Raises Refused where there is none, or none any more."""
        hosted = self._sessions.get(session_id)
        if hosted is not None:
            return hosted
        if session_id not in self._gone:
            raise Refused("unknown-session", "there is no such session; the service may have been restarted since")
        if self._gone[session_id]:
            raise Refused("expired-session", f"the session was ended: nobody used it for {self._idle:g} s")
        raise Refused("unknown-session", "the session was ended")

    async def end(self, session_id: str) -> None:
        """End a session, with all its processes and files; one that was not opened yet never will be.

        Raises Refused where there is none.
        """
        hosted = self._sessions.get(session_id)
        if hosted is None:
            self._let_go(session_id, expired=False)
            raise Refused("unknown-session", "there is no such session")
        hosted.end()
        await asyncio.wait({hosted.life})

    def load(self) -> Load:
        """How busy it is now."""
        below = self._pool.load()
        return Load(
            in_use=len(self._sessions),
            ready=below.ready,
            waiting=self._waiting + below.waiting,
            max_sessions=self._max_sessions,
            queue=self._queue,
        )

    async def close(self) -> None:
        """End all sessions and refuse new ones."""
        self._ending = True
        all_sessions = {*self._sessions.values(), *self._starting}
        for hosted in all_sessions:
            hosted.end()
        if all_sessions:
            await asyncio.wait({hosted.life for hosted in all_sessions})

    def _let_go(self, session_id: str, *, expired: bool) -> None:
        self._gone[session_id] = expired
        if len(self._gone) > _GONE_KEPT:
            del self._gone[next(iter(self._gone))]

    def _keep(self, hosted: HostedSession) -> None:
        self._sessions[hosted.id] = hosted
        hosted.life.add_done_callback(self._forget(hosted))

    def _forget(self, hosted: HostedSession) -> Callable[[asyncio.Task[None]], None]:
        def forget(life: asyncio.Task[None]) -> None:
            del self._sessions[hosted.id]
            self._let_go(hosted.id, expired=hosted.expired)
            if not life.cancelled() and (error := life.exception()):
                log.error("a session did not end well: %s: %s", type(error).__name__, one_line(str(error)))

        return forget
