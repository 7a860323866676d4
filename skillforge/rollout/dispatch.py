"""Sends requests: retries what can pass, and tells apart what costs one sample from what ends the run."""

from __future__ import annotations

import asyncio
import random
import time

import msgspec

from skillforge.errors import BackendUnusable, ContextOverflow, RequestFailed, RequestRefused, SkillForgeError
from skillforge.parts.backend import Client, Completion, Request
from skillforge.rollout.limiter import Limiter
from skillforge.text import one_line

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 30.0
RETRY_AFTER_MOST = 300.0
UNUSABLE_IN_A_ROW = 10
"""So many requests answered "wrong key" or "no such model", with no success between, are no longer the fault of single ones."""


class Answer(msgspec.Struct, frozen=True):
    """A completion and what it took: `latency` in seconds of the attempt that succeeded."""

    completion: Completion
    latency: float
    attempts: int


class GaveUp(RequestRefused):
    """A request has no answer and gets none; `attempts` were made."""

    def __init__(self, what: str, attempts: int) -> None:
        super().__init__(what)
        self.attempts = attempts


class Dispatcher:
    """Makes completions with one client."""

    def __init__(self, client: Client, limiter: Limiter, retries: int) -> None:
        self._client = client
        self._limiter = limiter
        self._retries = retries
        self._last_success = float("-inf")
        self._unusable = 0

    async def complete(self, request: Request) -> Answer:
        """One completion, tried up to `retries` times more.

        Raises ContextOverflow where the prompt is too long, GaveUp where this request has failed for good otherwise, and
        BackendUnusable where no request can succeed.
        """
        attempt, first_failed = 0, float("inf")
        while True:
            attempt += 1
            sent = time.monotonic()
            try:
                completion = await self._client.complete(request)
            except ContextOverflow:
                raise
            except RequestRefused as error:
                raise GaveUp(str(error), attempt) from error
            except BackendUnusable as error:
                raise self._unusable_or_given_up(error, attempt) from error
            except RequestFailed as error:
                first_failed = min(first_failed, time.monotonic())
                if error.throttled:
                    self._limiter.throttled()
                if attempt > self._retries:
                    raise self._exhausted(error, attempt, first_failed) from error
                await asyncio.sleep(_pause(attempt, error.retry_after))
            except SkillForgeError:
                raise
            except Exception as error:
                fault = f"the backend raised {type(error).__name__}: {one_line(str(error))}"
                bug = BackendUnusable(fault, "tell the author of its plugin")
                raise self._unusable_or_given_up(bug, attempt) from error
            else:
                self._last_success, self._unusable = time.monotonic(), 0
                latency = self._last_success - sent
                self._limiter.succeeded(latency)
                return Answer(completion, latency, attempt)

    def _unusable_or_given_up(self, error: BackendUnusable, attempts: int) -> Exception:
        """What no request survives ends the run; beside requests that succeed, it is this request's own fault."""
        self._unusable += 1
        if self._last_success < 0 or self._unusable >= UNUSABLE_IN_A_ROW:
            return error
        return GaveUp(str(error), attempts)

    def _exhausted(self, error: RequestFailed, attempts: int, first_failed: float) -> Exception:
        if error.connection and self._last_success < first_failed:
            return BackendUnusable(
                f"{error.what}, {attempts} times in a row", "start the server again, then continue the run"
            )
        return GaveUp(f"{error.what} (given up after {attempts} attempts)", attempts)


def _pause(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait: what the server asked for, or exponential backoff with jitter so that retries do not come in waves."""
    if retry_after is not None:
        return min(retry_after, RETRY_AFTER_MOST) + random.uniform(0, BACKOFF_FIRST)
    return random.uniform(0.5, 1.0) * min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** (attempt - 1))
