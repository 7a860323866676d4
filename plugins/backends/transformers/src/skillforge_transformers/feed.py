"""Feed: the rows that wait for the model, and when they get it. Filled by the event loop, emptied by the worker's thread."""

from __future__ import annotations

import threading
import time

from skillforge_transformers.row import Row

_QUIET = 0.003  # seconds without a new request after which a batch that is not full starts
_PATIENCE = 0.03  # seconds for which it waits at most
_STEPS = 16  # steps after which even a single row joins


class Feed:
    """A queue of rows, and the rows that were last taken from it."""

    def __init__(self, batch_size: int) -> None:
        self._most = self._limit = batch_size
        self._waiting: list[Row] = []
        self._running: list[Row] = []
        self._changed = threading.Condition()
        self._closed = False
        self._steps = 0
        self._joined = 0
        self._alone = False

    def add(self, row: Row) -> bool:
        """Queue a row; False where the feed is closed."""
        with self._changed:
            if not self._closed:
                row.arrived = time.monotonic()
                self._waiting.append(row)
                self._changed.notify()
            return not self._closed

    def remove(self, row: Row) -> None:
        """Take a row out of the queue, if it is there."""
        with self._changed:
            self._waiting = [other for other in self._waiting if other is not row]

    def close(self) -> None:
        """Give no more rows; what runs ends within a step."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    # All below is for the thread.

    @property
    def closed(self) -> bool:
        """Whether it is time to end."""
        return self._closed

    def first(self) -> list[Row]:
        """Wait for rows to begin with: the oldest, and those nearest to it in length. Empty when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._gather()
            if self._closed or not self._waiting:
                return [] if self._closed else self.first()
            return self._take(self._limit)

    def more(self, still: int) -> list[Row] | None:
        """The rows that join `still` running ones after a step; None when it is time to end.

        They join in groups, a quarter of a full batch or as many as run, since reading one prompt takes about as long as
        reading several; after some steps even one joins alone.
        """
        if self._closed:
            return None
        self._steps += 1
        with self._changed:
            joining = 0 if self._alone else min(self._limit - still, len(self._waiting))
            few = joining * 4 < self._limit and joining < still
            if joining <= 0 or (few and self._steps < _STEPS):
                return []
            self._steps = 0
            return self._take(joining)

    def enough(self, still: int, size: int) -> bool:
        """Whether to break off a batch of `size` that cannot be joined, so that the rows still open go on in another one.

        Reading those anew costs far less than steps in which most rows do nothing: so when half have ended and as many
        wait, and when three quarters have ended in any case, since a small batch takes shorter steps.
        """
        refill = not self._alone and still * 2 <= size and len(self._waiting) >= size - still
        return self._closed or still == 0 or refill or still * 4 <= size

    def running(self) -> list[Row]:
        """The rows that were given out, and are not done."""
        return [row for row in self._running if row.open]

    def run_alone(self, rows: list[Row]) -> None:
        """From now on these are the rows that were given out, and no more are until `put_back`."""
        self._running, self._alone = list(rows), True

    def put_back(self, rows: list[Row]) -> None:
        """Queue rows anew, and give out others again."""
        with self._changed:
            self._running, self._alone = [], False
            for row in rows:
                row.arrived = time.monotonic()
                self._waiting.append(row)

    def shrink(self, limit: int) -> None:
        """Run so many rows together at most; the number grows again, by one for each time that as many have joined."""
        self._limit, self._joined = max(1, min(self._limit, limit)), 0

    def drain(self) -> list[Row]:
        """Close, and give back all rows that are not done."""
        with self._changed:
            self._closed = True
            rows, self._waiting = [*self.running(), *self._waiting], []
        return rows

    def _take(self, count: int) -> list[Row]:
        oldest = min(self._waiting, key=lambda row: row.arrived)
        self._waiting.sort(key=lambda row: (abs(row.length - oldest.length), row.arrived))
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._running = [*self.running(), *taken]
        self._joined += len(taken)
        if self._joined >= self._limit:
            self._limit, self._joined = min(self._limit + 1, self._most), 0
        return taken

    def _gather(self) -> None:
        """Give requests that are just being made a moment to join."""
        deadline = time.monotonic() + _PATIENCE
        while len(self._waiting) < self._limit and not self._closed and time.monotonic() < deadline:
            before = len(self._waiting)
            self._changed.wait(_QUIET)
            if len(self._waiting) == before:
                return
