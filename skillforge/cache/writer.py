"""Writer: keeps completions in a thread of its own, so that nothing waits for the disk."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque

import msgspec

from skillforge.cache.store import MOST_BYTES, Row, Store
from skillforge.parts.backend import Completion

GATHER_SECONDS = 0.2
"""How long completions are gathered for one transaction: what a killed process loses."""

MOST_WAITING = 8192
"""Completions that may wait for a slow disk; more are not kept."""

_encoder = msgspec.msgpack.Encoder()


class Writer:
    """Adds completions of one origin to a store."""

    def __init__(self, store: Store, origin: int) -> None:
        self.kept = 0
        """Completions that are in the store."""

        self.fault: sqlite3.Error | None = None
        """Why nothing is kept any more."""

        self._store = store
        self._origin = origin
        self._waiting: deque[tuple[bytes, Completion]] = deque()
        self._hits = 0
        self._told = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="completion-cache", daemon=True)
        self._thread.start()

    def add(self, key: bytes, completion: Completion) -> None:
        """Keep `completion` soon. Returns at once."""
        if self.fault is None and len(self._waiting) < MOST_WAITING:
            self._waiting.append((key, completion))

    def hit(self) -> None:
        """Count a lookup that found something."""
        self._hits += 1

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(GATHER_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        rows, hits = self._encoded(), self._hits - self._told
        if self.fault is not None or not (rows or hits):
            return
        try:
            self._store.add(self._origin, rows, hits)
        except sqlite3.Error as error:  # the disk is full, for example
            self.fault = error
        else:
            self.kept += len(rows)
            self._told += hits

    def _encoded(self) -> list[Row]:
        rows, now = [], time.time()
        while self._waiting:
            key, completion = self._waiting.popleft()
            try:
                value = _encoder.encode(completion)
            except UnicodeEncodeError:  # half of a surrogate pair
                continue
            if len(value) <= MOST_BYTES:
                rows.append(Row(key, now, value))
        return rows
