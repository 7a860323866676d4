"""How many requests to keep in flight."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from typing import NamedTuple

START = 32
CEILING = 2048
STEP = 2**0.25
"""The least factor by which the number is changed."""

FAST = 8
"""Most of these steps at once: a factor of four."""

WORTH = 0.1
"""More in flight are worth it where throughput grows by at least this power of their growth: 7 % for twice as many."""

NOISE = 0.6
"""Throughput that is counted over n answers strays by about this share over √n."""

LEAST_ANSWERS = 24
ENOUGH_ANSWERS = 400
"""Two numbers are compared as soon as their difference is clear, and after so many answers in any case."""

HOLD = 8
"""Windows to stay, where neither more nor fewer were better, before both are tried again."""

LEAST_THROTTLED = 10
THROTTLED_SHARE = 0.3
"""So many throttled answers, and this share of what was sent, are a wish for less. Fewer may have nothing to do with the
load; they count against a number only as far as another has fewer of them."""


class Limiter:
    """Finds the number of requests in flight that a server handles well; with `fixed`, it stays at that number.

    Hill climbing on throughput, as in Hellerstein, Morrison and Eilebrecht, "Optimizing concurrency levels in the .NET
    ThreadPool" (2008), with a start in great leaps like TCP's (Jacobson 1988). Throughput is counted over windows of as
    many answers as are in flight, so that answers in bursts do not mislead it, and after those to requests that were sent
    under the number before. What is found is the knee: the least number from which more bring next to nothing.
    """

    def __init__(self, fixed: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._search = None if fixed else _search()
        self.limit = next(self._search) if self._search else fixed or START
        self._begin(old=0, new=self.limit)

    def succeeded(self) -> None:
        """A request was answered."""
        self._answers += 1
        self._sent += 1  # in place of the one that is answered
        if self._answers == 0:
            self._begin(old=0, new=0)
        elif self._answers >= max(LEAST_ANSWERS, self.limit):
            seconds = max(self._clock() - self._began, 1e-9)
            self._move(Throughput(self.limit, self._answers, self._throttled, seconds))

    def throttled(self) -> None:
        """The server asked for less."""
        if self._answers < -self.limit:  # because of requests that were sent when there were more
            return
        self._throttled += 1
        if self._throttled >= max(LEAST_THROTTLED, THROTTLED_SHARE * (self._sent + self._throttled)):
            self._move(None)

    def _move(self, found: Throughput | None) -> None:
        """Go to where the search wants to measure next, after what it `found` here; None: that the server asks for less."""
        before = self.limit
        if self._search is not None:
            self.limit = self._search.send(found)
        self._begin(old=0 if self.limit == before else before, new=max(0, self.limit - before))

    def _begin(self, old: int, new: int) -> None:
        """Count from zero, once `old` requests are answered that say nothing about this limit; `new` are sent at once."""
        self._answers, self._throttled, self._sent = -old, 0, new
        self._began = self._clock()


class Throughput(NamedTuple):
    """What was counted with `limit` in flight: answers and throttled answers, in so many seconds."""

    limit: int
    answers: int
    throttled: int
    seconds: float

    def joined(self, window: Throughput) -> Throughput:
        """This and a further window at the same limit, as one."""
        return Throughput(
            self.limit,
            self.answers + window.answers,
            self.throttled + window.throttled,
            self.seconds + window.seconds,
        )

    def gain(self, other: Throughput) -> float:
        """How much better this is, in logarithms: what it brings more, less what is asked of so many more in flight."""
        return self._score() - other._score()

    def is_clear(self, other: Throughput) -> bool:
        """Whether the difference is larger than what chance brings."""
        return abs(self.gain(other)) > NOISE * math.sqrt(1 / self.answers + 1 / other.answers)

    def _score(self) -> float:
        taken = self.answers / (self.answers + self.throttled)
        return math.log(self.answers / self.seconds) + 2 * math.log(taken) - WORTH * math.log(self.limit)


Found = Throughput | None
"""None: the server asked for less before a window was full."""


def _search() -> Generator[int, Found, None]:
    """Yields the limit at which to count the next window; is sent what was found there."""
    step, most = FAST, CEILING
    best = yield from _stay(START, 1)
    while True:
        best, most = yield from _walk(best, step, most)
        best, _ = yield from _walk(best, -1, most)
        best = yield from _stay(best.limit, max(ENOUGH_ANSWERS, HOLD * best.limit))
        step, most = 1, min(CEILING, math.ceil(most * STEP))


def _walk(best: Throughput, step: int, most: int) -> Generator[int, Found, tuple[Throughput, int]]:
    """Go up, or down where `step` is negative, as long as this is better; in larger steps after each that is.

    Where the server has asked for less, halfway to there at most. Returns the best, and the most that the server may take.
    """
    while step:
        limit = round(best.limit * STEP**step)
        if step > 0:
            highest = most if most == CEILING else (best.limit + most + 1) // 2
            limit = min(highest, max(best.limit + 1, limit))
        else:
            limit = max(1, min(best.limit - 1, limit))
        if limit == best.limit:
            break
        found = yield from _compare(limit, best)
        if found is None:
            most = min(most, max(best.limit, limit - 1))
        if found is not None and found.gain(best) >= 0:
            best, step = found, max(-FAST, min(FAST, 2 * step))
        else:
            step = int(step / 2)
    return best, most


def _compare(limit: int, best: Throughput) -> Generator[int, Found, Found]:
    """Count at `limit` until it is clear whether that is better than `best`."""
    found = yield limit
    while found and found.answers < max(ENOUGH_ANSWERS, 2 * limit) and not found.is_clear(best):
        window = yield limit
        found = window and found.joined(window)
    return found


def _stay(limit: int, answers: int) -> Generator[int, Found, Throughput]:
    """Count so many answers at `limit`, or at less where the server asks for that."""
    found = yield limit
    while found is None or found.answers < answers:
        if found is None:
            limit = max(1, limit * 7 // 10)
        window = yield limit
        found = found.joined(window) if found and window else window
    return found
