"""How many requests to keep in flight."""

from __future__ import annotations

from collections.abc import Generator

START = 16
CEILING = 2048
STEP = 0.25
"""Share by which the number is changed when it is near the best; far from it, it is doubled."""

WORTH = 0.2
"""Least growth of throughput, as a share of the growth in flight, for which more in flight are worth it."""

LEAST_ANSWERS = 32
HOLD = 8
"""Windows to stay, where neither more nor fewer were better, before both are tried again."""

THROTTLED_SHARE = 0.2
LEAST_THROTTLED = 3
"""A few throttled answers may have nothing to do with the load; this many, and this share of all, count as a wish for less."""


class Limiter:
    """Finds the number of requests in flight that a server handles well; with `fixed`, it stays at that number.

    Hill climbing on throughput, which by Little's law (Little 1961) is the number in flight over the mean latency, so
    that answers in bursts do not mislead it. Throttled answers (429, 503) cut the number by three tenths, at most
    once until their effect can be seen.
    """

    def __init__(self, fixed: int | None) -> None:
        self.limit = fixed or START
        self._climb = None if fixed else _climb(START, 1.0)
        self._cut = False
        self._begin()

    def succeeded(self, latency: float) -> None:
        """A request was answered after `latency` seconds."""
        if self._climb is None:
            return
        self._answers += 1
        if self._answers <= self._old:
            return
        self._cut = False
        self._seconds += latency
        measured = self._answers - self._old
        if measured >= self._window:
            self._begin(self.limit * measured / max(self._seconds, 1e-9))

    def throttled(self) -> None:
        """The server asked for less."""
        self._throttled += 1
        wish = self._throttled >= max(LEAST_THROTTLED, THROTTLED_SHARE * (self._throttled + self._answers))
        if self._climb is not None and wish and not self._cut:
            self._cut = True
            self._climb = _climb(max(1, self.limit * 7 // 10), STEP)
            self._begin()

    def _begin(self, throughput: float | None = None) -> None:
        """Go to the next limit and measure there."""
        self._answers = self._throttled = 0
        self._seconds = 0.0
        self._old = self.limit  # requests still in flight that say nothing about the new limit
        if self._climb is not None:
            self.limit, windows = next(self._climb) if throughput is None else self._climb.send(throughput)
            self._old = max(self._old, self.limit)
            self._window = max(LEAST_ANSWERS, windows * self.limit)


def _climb(limit: int, step: float) -> Generator[tuple[int, int], float, None]:
    """Yields the limit to measure and for how many windows of as many answers; is sent the throughput there."""
    best = yield limit, 2
    while True:
        while limit < CEILING:
            more = min(CEILING, limit + max(1, round(limit * step)))
            found = yield more, 1 if step == 1.0 else 2
            if found >= best * (1 + WORTH * (more / limit - 1)):
                limit, best, step = more, found, min(1.0, 2 * step)
            elif step > STEP:
                step = STEP
            else:
                break
        while limit > 1:
            fewer = min(limit - 1, round(limit / (1 + STEP)))
            found = yield fewer, 2
            if found < best * (1 - WORTH * (limit / fewer - 1)):
                break
            limit, best = fewer, max(best, found)
        step = STEP
        best = yield limit, HOLD
