"""Spread: one model on several servers, as one client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from skillforge.errors import BackendUnusable, RequestFailed
from skillforge.parts.backend import Client, Completion, Request
from skillforge.rollout.outage import ask_again, growing_pauses, is_unusable, takes_requests

REST_FIRST = 0.1
REST_MOST = 5.0
THROTTLED_REST = 1.0
"""Seconds for which a server that asked for less load, without saying for how long, gets only what no other can take."""

FAILURES_TOLD = 10
"""A server that fails so many times in a row is worth a word."""

FULL_SECONDS = 10.0
"""A server that is merely full answers something within this time, however many requests it turns away."""


class Spread(Client):
    """Sends each request to the server with the fewest of ours in flight; where several have as few, they take turns.

    A request that fails on one server goes to another at once. A server that breaks connections is left out until it is
    ready again, one that can answer none until it answers; one with other faults rests for a moment. Only what fails on all
    of them is raised. The user hears of a server that is left out or fails time after time, once until it answers again.
    """

    def __init__(self, clients: Iterable[tuple[str, Client]], tell: Callable[[str], None]) -> None:
        """`clients` with the names under which `tell` tells the user of them."""
        self._servers = [_Server(name, client) for name, client in clients]
        self._tell = tell
        self._asking: set[asyncio.Task[None]] = set()
        self._answered: Request | None = None
        """The last request that was answered."""
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
        refused: BackendUnusable | None = None
        while not told and (server := self._choose(tried)) is not None:
            tried.append(server)
            server.in_flight += 1
            try:
                completion = await server.client.complete(request, *more)
            except BackendUnusable as error:
                if await self._is_unusable(server):
                    self._leave_out(server, error, request)
                else:
                    refused = error
            except RequestFailed as error:
                failed = error
                if error.connection:
                    self._leave_out(server, error)
                else:
                    self._rest(server, error)
            else:
                self._answered = request
                self._succeeded(server)
                return completion
            finally:
                server.in_flight -= 1
        raise failed or refused or self._nobody()

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

    async def _is_unusable(self, server: _Server) -> bool:
        """Whether what `server` takes no request for is a fault of the server, and not of that request."""
        if self._answered is None:
            return True
        async with server.looking:
            return server.lost is not None or await is_unusable(server.client, self._answered)

    def _succeeded(self, server: _Server) -> None:
        server.failures = 0
        if server.told:
            server.told = False
            self._tell(f"{server.name} answers again")

    def _rest(self, server: _Server, fault: RequestFailed | BackendUnusable) -> None:
        server.rest(fault)
        if server.keeps_failing(fault):
            self._tell_once(server, f"has failed {server.failures} times in a row: {fault.what}")

    def _tell_once(self, server: _Server, trouble: str) -> None:
        """Tell what is wrong with `server`, unless something was told since its last answer."""
        if not server.told:
            server.told = True
            self._tell(f"{server.name} {trouble}")

    # Servers that are lost ----------------------------------------------------------------------------------------

    def _leave_out(
        self, server: _Server, fault: RequestFailed | BackendUnusable, request: Request | None = None
    ) -> None:
        """Give `server` nothing more until it can be used again: until it answers, where `request` has shown the fault."""
        if server.lost is not None:  # by another request
            return
        self._rest(server, fault)
        server.lost = fault
        if isinstance(fault, BackendUnusable):
            self._tell_once(server, f"is left out: {fault.what}")
        task = asyncio.create_task(self._take_back(server, fault.what, request))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _take_back(self, server: _Server, fault: str, request: Request | None) -> None:
        """Ask a lost server until it can be used. The user hears of it, unless that is at once."""
        await asyncio.sleep(server.rests_until - time.monotonic())
        for pause in growing_pauses():
            if await self._usable(server, request):
                break
            self._tell_once(server, f"is left out: {fault}")
            await asyncio.sleep(pause)
        server.lost = None

    async def _usable(self, server: _Server, request: Request | None) -> bool:
        if not await takes_requests(server.client):
            return False
        try:
            if request is None:
                await server.client.check()
            else:
                await ask_again(server.client, self._answered or request)
                self._succeeded(server)
        except Exception:  # whatever it is: no answer
            return False
        return True


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
        self.failing_since = 0.0
        self.rests_until = 0.0
        """Both in monotonic seconds."""
        self.told = False
        """Whether the user was told of a fault since its last answer."""
        self.looking = asyncio.Lock()

    def rest(self, fault: RequestFailed | BackendUnusable) -> None:
        """Let others go first for a while: not after a single fault, and longer each time that one follows another."""
        now = time.monotonic()
        self.failures += 1
        if self.failures == 1:
            self.failing_since = now
        doublings = min(self.failures - 2, 30)  # after a thousand, the power would overflow
        seconds = min(REST_MOST, REST_FIRST * 2.0**doublings) if self.failures > 1 else 0.0
        if isinstance(fault, RequestFailed) and fault.throttled:
            seconds = max(seconds, min(fault.retry_after or THROTTLED_REST, REST_MOST))
        self.rests_until = now + seconds

    def keeps_failing(self, fault: RequestFailed | BackendUnusable) -> bool:
        """Whether `fault` is one too many without an answer."""
        throttled = isinstance(fault, RequestFailed) and fault.throttled
        lasting = not throttled or time.monotonic() - self.failing_since >= FULL_SECONDS
        return self.failures >= FAILURES_TOLD and lasting
