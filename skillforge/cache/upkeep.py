"""Upkeep of a cache: what is in it, and clearing it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from skillforge.cache.store import FILE, LOCK_SECONDS, check_format, connect, opening
from skillforge.errors import UsageError
from skillforge.text import closest

CLEARED_AT_ONCE = 10_000
"""Completions, and then pages, that one transaction frees: other processes write between them."""


class OriginStats(msgspec.Struct, frozen=True):
    """What is kept of one model behind one backend."""

    model: str
    backend: str
    place: str
    """Addresses of the servers, or folder or hub id of the weights."""

    entries: int
    bytes: int
    oldest: float
    """Unix time in seconds."""

    newest: float
    hits: int
    """Requests that were answered from the cache; counted anew where all of these were cleared."""


class CacheStats(msgspec.Struct, frozen=True):
    """What is in a cache."""

    folder: str
    entries: int
    bytes: int
    """Size of the file; space that clearing has freed is used again."""

    hits: int
    origins: list[OriginStats]


def read_stats(folder: Path) -> CacheStats:
    """What is in the cache in `folder`. Raises UsageError where there is none."""
    with _opened(folder) as connection:
        rows = connection.execute(
            "SELECT model, backend, place, count(*), sum(bytes), min(created), max(created), hits"
            " FROM completions JOIN origins ON origins.id = completions.origin GROUP BY origins.id"
            " ORDER BY model, backend, place"
        ).fetchall()
        (size,) = connection.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
    origins = [OriginStats(*row) for row in rows]
    return CacheStats(
        folder=str(folder),
        entries=sum(origin.entries for origin in origins),
        bytes=size,
        hits=sum(origin.hits for origin in origins),
        origins=origins,
    )


class Chosen(msgspec.Struct, frozen=True):
    """Which completions to clear; all, where nothing is set."""

    model: str | None = None
    before: float = float("inf")
    """Unix time in seconds: those that were kept earlier."""

    @classmethod
    def of(cls, model: str | None, older_than: float | None) -> Chosen:
        """Those of `model` that are older than so many seconds."""
        return cls(model) if older_than is None else cls(model, time.time() - older_than)


_CHOSEN = "origin IN (SELECT id FROM origins WHERE ?1 IS NULL OR model = ?1) AND created < ?2"


def count(folder: Path, chosen: Chosen) -> int:
    """How many completions are `chosen`. Raises UsageError for a model of which there are none, and without a cache."""
    with _opened(folder) as connection:
        if chosen.model is not None:
            models = [model for (model,) in connection.execute("SELECT DISTINCT model FROM origins")]
            if chosen.model not in models:
                raise UsageError(
                    f"the cache in {folder} has nothing of '{chosen.model}'", closest(chosen.model, models)
                )
        (found,) = connection.execute(
            f"SELECT count(*) FROM completions WHERE {_CHOSEN}", msgspec.structs.astuple(chosen)
        ).fetchone()
        return int(found)


def clear(folder: Path, chosen: Chosen) -> int:
    """Delete those that are `chosen`, and give their space back. Others may write at the same time. Returns how many."""
    with _opened(folder) as connection:
        if chosen == Chosen():
            deleted = connection.execute("DELETE FROM completions").rowcount  # which SQLite does at once
        else:
            deleted = sum(_clear_some(connection, chosen))
        connection.execute("UPDATE origins SET hits = 0 WHERE id NOT IN (SELECT origin FROM completions)")
        while connection.execute("PRAGMA freelist_count").fetchone()[0]:
            connection.execute(f"PRAGMA incremental_vacuum({CLEARED_AT_ONCE})").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return deleted


def _clear_some(connection: sqlite3.Connection, chosen: Chosen) -> Iterator[int]:
    """Delete those that are `chosen` group by group: how many each time."""
    statement = f"DELETE FROM completions WHERE rowid IN (SELECT rowid FROM completions WHERE {_CHOSEN} LIMIT ?3)"
    values = (*msgspec.structs.astuple(chosen), CLEARED_AT_ONCE)
    while (deleted := connection.execute(statement, values).rowcount) > 0:
        yield deleted


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / FILE
    if not path.is_file():
        raise UsageError(f"there is no cache in {folder}", "name the folder that a run was given with --cache")
    with opening(path), contextlib.closing(connect(path, LOCK_SECONDS)) as connection:
        check_format(connection)
        yield connection
