"""Sends requests: retries what can pass, and tells apart what costs one sample from what ends the run."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import msgspec

from skillforge.errors import BackendUnusable, ContextOverflow, RequestFailed, RequestRefused, SkillForgeError
from skillforge.parts.backend import Client, Completion, Request
from skillforge.rollout.draft import Draft
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.outage import Outages, is_unusable, takes_requests
from skillforge.text import one_line

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 30.0
RETRY_AFTER_MOST = 300.0
PAUSE_TOLD = 10.0
"""Seconds of a pause that a server asks for, from which on the user is told of it."""

UNUSABLE_IN_A_ROW = 10
"""So many requests answered "wrong key" or "no such model", with no success between, are no longer the fault of single ones,
even where the client itself finds nothing wrong."""

SPARED_MOST = 10
"""Tries of one request that are not counted, because the server was lost, or turned it away while it answered others.
With more of them, the request itself may be what brings the server down, or what it never takes."""


class Answer(msgspec.Struct, frozen=True):
    """A completion and what it took: `latency` in seconds of the attempt that succeeded; None and no attempt where it was
    kept from an earlier request."""

    completion: Completion
    latency: float | None
    attempts: int


class GaveUp(RequestRefused):
    """A request has no answer and gets none; `attempts` were made."""

    def __init__(self, what: str, attempts: int) -> None:
        super().__init__(what)
        self.attempts = attempts


class Dispatcher:
    """Makes completions with one client."""

    def __init__(
        self,
        client: Client,
        limiter: Limiter,
        retries: int,
        patience: float = 0.0,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """A server that is lost after it has answered is waited for, up to `patience` seconds; `tell` tells the user so, and
        of long pauses that a server asks for.
        """
        self._client = client
        self._limiter = limiter
        self._retries = retries
        self._outages = Outages(client, patience, tell)
        self._tell = tell
        self._told_of_pause = False
        self._last_success = float("-inf")
        self._answered: Request | None = None
        """The last request that was answered."""
        self._unusable = 0
        self._looking = asyncio.Lock()

    async def complete(self, request: Request, draft: Draft | None = None) -> Answer:
        """One completion, tried up to `retries` times more, and a few times that are not counted; see SPARED_MOST.

        `draft` holds what is written while it comes.

        Raises ContextOverflow where the prompt is too long, GaveUp where this request has failed for good otherwise, and
        BackendUnusable where no request can succeed.
        """
        attempt, spared, first_failed = 0, 0, float("inf")
        while True:
            attempt += 1
            sent = time.monotonic()
            try:
                completion = await (draft.complete(self._client, request) if draft else self._client.complete(request))
            except ContextOverflow:
                raise
            except RequestRefused as error:
                raise GaveUp(str(error), attempt) from error
            except BackendUnusable as error:
                raise await self._unusable_or_given_up(error, attempt) from error
            except RequestFailed as error:
                first_failed = min(first_failed, time.monotonic())
                if error.throttled:
                    self._limiter.throttled()
                if spared < SPARED_MOST and await self._sat_out(error):
                    spared += 1
                    continue
                if spared < SPARED_MOST and error.throttled and self._last_success > first_failed:
                    spared += 1
                if attempt - spared > self._retries:
                    raise await self._exhausted(error, attempt, first_failed) from error
                await self._pause(error, attempt)
            except SkillForgeError:
                raise
            except Exception as error:
                fault = f"the backend raised {type(error).__name__}: {one_line(str(error))}"
                bug = BackendUnusable(fault, "tell the author of its plugin")
                raise await self._unusable_or_given_up(bug, attempt) from error
            else:
                if completion.cached:
                    return Answer(completion, None, attempt - 1)
                self._last_success, self._answered, self._unusable = time.monotonic(), request, 0
                self._told_of_pause = False
                self._limiter.succeeded()
                return Answer(completion, self._last_success - sent, attempt)

    async def _sat_out(self, error: RequestFailed) -> bool:
        """Whether the server was lost, though it had answered before, and is back."""
        return error.connection and self._last_success > 0 and await self._outages.sit_out(error.what)

    async def _unusable_or_given_up(self, error: BackendUnusable, attempts: int) -> Exception:
        """What no request survives ends the run; beside requests that succeed, it is this request's own fault."""
        self._unusable += 1
        if self._answered is None or self._unusable >= UNUSABLE_IN_A_ROW:
            return error
        async with self._looking:  # one look at a time: the first that finds it out ends the run
            return error if await is_unusable(self._client, self._answered) else GaveUp(str(error), attempts)

    async def _pause(self, error: RequestFailed, attempt: int) -> None:
        """Wait before the next try. The user hears of a long pause that is the server's wish, once until it answers."""
        seconds = _pause_seconds(attempt, error.retry_after)
        asked_for = error.throttled or error.retry_after is not None
        if asked_for and seconds >= PAUSE_TOLD and not self._told_of_pause:
            self._told_of_pause = True
            self._tell(f"the server asks for less ({error.what}), waiting {seconds:.0f} s")
        await asyncio.sleep(seconds)

    async def _exhausted(self, error: RequestFailed, attempts: int, first_failed: float) -> Exception:
        if not error.connection or self._last_success >= first_failed:
            return GaveUp(f"{error.what} (given up after {attempts} attempts)", attempts)
        fix = "start the server again"
        if isinstance(error.__cause__, TimeoutError) and await takes_requests(self._client):
            fix = (
                "the server is up, but slow or stuck: give it longer (-o backend.timeout=SECONDS), "
                "or fewer requests at once (--concurrency N)"
            )
        return BackendUnusable(f"{error.what}, {attempts} times in a row", f"{fix}, then continue the run")


def _pause_seconds(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait: what the server asked for, or exponential backoff with jitter so that retries do not come in waves."""
    if retry_after is not None:
        return min(retry_after, RETRY_AFTER_MOST) + random.uniform(0, BACKOFF_FIRST)
    return random.uniform(0.5, 1.0) * min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** (attempt - 1))
