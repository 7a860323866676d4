"""Spread: one model on several servers, as one client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from skillforge.errors import BackendUnusable, RequestFailed
from skillforge.parts.backend import Client, Completion, Request
from skillforge.rollout.outage import growing_pauses, takes_requests

REST_FIRST = 0.1
REST_MOST = 5.0
THROTTLED_REST = 1.0
"""Seconds for which a server that asked for less load, without saying for how long, gets only what no other can take."""


class Spread(Client):
    """Sends each request to the server with the fewest of ours in flight; where several have as few, they take turns.

    A request that fails on one server goes to another at once. A server that breaks connections, or that can answer none,
    is left out until it is ready again; one with other faults rests for a moment. Only what fails on all of them is raised.
    """

    def __init__(self, clients: Iterable[tuple[str, Client]], tell: Callable[[str], None]) -> None:
        """`clients` with the names under which `tell` tells the user of them."""
        self._servers = [_Server(name, client) for name, client in clients]
        self._tell = tell
        self._asking: set[asyncio.Task[None]] = set()
        known = [server.client.default_concurrency for server in self._servers]
        self.default_concurrency = None if None in known else sum(number or 0 for number in known)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop asking lost servers; the clients are closed by who opened them."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    # What they can do ---------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Leave out the servers that cannot be used. Raises BackendUnusable where these are all."""
        await asyncio.gather(*map(self._check, self._servers))
        if not self._working:
            raise self._nobody()

    async def _check(self, server: _Server) -> None:
        try:
            await server.client.check()
        except BackendUnusable as error:
            self._leave_out(server, error)

    def capabilities(self) -> frozenset[str] | None:
        """What all of them have."""
        told = [able for server in self._working if (able := server.client.capabilities()) is not None]
        return frozenset.intersection(*told) if told else None

    async def ready(self) -> bool:
        """Whether one of them takes requests."""
        if self._working:
            return True
        return any(await asyncio.gather(*(takes_requests(server.client) for server in self._servers)))

    async def models(self) -> Sequence[str]:
        """The names that all of them serve, as far as they tell."""
        told = [found for server in self._working if (found := await server.client.models())]
        return [name for name in told[0] if all(name in found for found in told)] if told else ()

    async def context_length(self) -> int | None:
        """The least of them."""
        told = [await server.client.context_length() for server in self._working]
        return min((length for length in told if length is not None), default=None)

    async def versions(self) -> Mapping[str, str]:
        """Those of all of them; where they differ, each."""
        told = [await server.client.versions() for server in self._working]
        names = dict.fromkeys(name for versions in told for name in versions)
        return {name: ", ".join(dict.fromkeys(found[name] for found in told if name in found)) for name in names}

    # Requests -----------------------------------------------------------------------------------------------------

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One completion, from the first server that makes it. What breaks off within a text that was told is raised."""
        told: list[str] = []

        def tell(piece: str) -> None:
            assert on_text is not None
            told.append(piece)
            on_text(piece)

        more = () if on_text is None else (tell,)
        tried: list[_Server] = []
        failed: RequestFailed | None = None
        while not told and (server := self._choose(tried)) is not None:
            tried.append(server)
            server.in_flight += 1
            try:
                completion = await server.client.complete(request, *more)
            except BackendUnusable as error:
                self._leave_out(server, error)
            except RequestFailed as error:
                failed = error
                if error.connection:
                    self._leave_out(server, error)
                else:
                    server.rest(error)
            else:
                server.failures = 0
                return completion
            finally:
                server.in_flight -= 1
        raise failed if failed is not None else self._nobody()

    @property
    def _working(self) -> list[_Server]:
        return [server for server in self._servers if server.lost is None]

    def _choose(self, tried: Collection[_Server]) -> _Server | None:
        """The next server to try, which then is the last whose turn comes again; None where all were tried or are lost."""
        now = time.monotonic()
        candidates = [server for server in self._working if server not in tried]
        if not candidates:
            return None
        chosen = min(candidates, key=lambda server: (server.rests_until > now, server.in_flight))
        self._servers.remove(chosen)
        self._servers.append(chosen)
        return chosen

    def _nobody(self) -> BackendUnusable | RequestFailed:
        """What it means that no server is left: it can pass, unless each of them told that it cannot."""
        faults = [server.lost for server in self._servers if server.lost is not None]
        broken = [fault for fault in faults if isinstance(fault, RequestFailed)]
        worst = (broken or faults)[0]
        what = f"none of the {len(self._servers)} servers can be used: {worst.what}"
        return RequestFailed(what, connection=True) if broken else BackendUnusable(what, worst.fix)

    # Servers that are lost ----------------------------------------------------------------------------------------

    def _leave_out(self, server: _Server, fault: RequestFailed | BackendUnusable) -> None:
        """Give `server` nothing more until it can be used again."""
        if server.lost is not None:  # by another request
            return
        server.rest(fault)
        server.lost = fault
        task = asyncio.create_task(self._take_back(server, fault.what))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _take_back(self, server: _Server, fault: str) -> None:
        """Ask a lost server until it can be used. The user hears of it, unless that is at once."""
        told = False
        await asyncio.sleep(server.rests_until - time.monotonic())
        for pause in growing_pauses():
            if await _usable(server.client):
                break
            if not told:
                told = True
                self._tell(f"{server.name} is left out: {fault}")
            await asyncio.sleep(pause)
        server.lost = None
        if told:
            self._tell(f"{server.name} answers again")


class _Server:
    """One of the servers, and how it does."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client
        self.in_flight = 0
        self.lost: RequestFailed | BackendUnusable | None = None
        """Why it is left out."""
        self.failures = 0
        """In a row."""
        self.rests_until = 0.0
        """In monotonic seconds."""

    def rest(self, fault: RequestFailed | BackendUnusable) -> None:
        """Let others go first for a while: not after a single fault, and longer each time that one follows another."""
        self.failures += 1
        seconds = min(REST_MOST, REST_FIRST * 2.0 ** (self.failures - 2)) if self.failures > 1 else 0.0
        if isinstance(fault, RequestFailed) and fault.throttled:
            seconds = max(seconds, min(fault.retry_after or THROTTLED_REST, REST_MOST))
        self.rests_until = time.monotonic() + seconds


async def _usable(client: Client) -> bool:
    if not await takes_requests(client):
        return False
    try:
        await client.check()
    except BackendUnusable:
        return False
    return True
