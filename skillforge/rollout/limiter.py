"""How many requests to keep in flight."""

from __future__ import annotations

import time
from collections.abc import Callable

START = 16
CEILING = 2048
GAIN = 1.08
"""Growth of throughput below which more requests in flight are not worth it."""


class Limiter:
    """Finds the number of requests in flight that a server handles well; with `fixed`, it stays at that number.

    Additive increase, multiplicative decrease (Chiu and Jain 1989) around a slow start: the limit doubles while
    that raises throughput, then probes upward in small steps. A throttled answer (429, 503) cuts it by
    three tenths, at most once a window; a window is `limit` answers.
    """

    def __init__(self, fixed: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = fixed or START
        self._adaptive = fixed is None
        self._clock = clock
        self._slow_start = True
        self._best = (0.0, self.limit)
        self._cut = self._warm = False
        self._answers, self._started = 0, clock()

    def succeeded(self) -> None:
        """A request was answered."""
        if not self._adaptive:
            return
        self._answers += 1
        if self._answers >= self.limit and self._warm:
            self._end_window()
        elif self._answers >= self.limit:
            self._start_window(warm=True)  # the first answers at a new limit still belong to the old one

    def throttled(self) -> None:
        """The server asked for less."""
        if self._adaptive and not self._cut:
            self._slow_start = False
            self._move(max(1, self.limit * 7 // 10))
            self._cut = True

    def _end_window(self) -> None:
        throughput = self._answers / max(self._clock() - self._started, 1e-6)
        best, best_limit = self._best
        if throughput >= best * GAIN or self.limit <= best_limit:
            self._best = (throughput, self.limit)
            self._move(self.limit * 2 if self._slow_start else self.limit + max(1, self.limit // 10))
        else:
            self._slow_start = False
            self._best = (best * 0.99, best_limit)  # fades, so that a server that grew is probed again
            self._move(best_limit)

    def _move(self, limit: int) -> None:
        self.limit = min(limit, CEILING)
        self._start_window()

    def _start_window(self, *, warm: bool = False) -> None:
        self._answers = 0
        self._cut = False
        self._warm = warm
        self._started = self._clock()
