"""Store: the file of a cache, an SQLite database that many processes read and write at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from skillforge.errors import SkillForgeError, UsageError

FILE = "completions.sqlite"
MOST_BYTES = 8 * 2**20
"""Larger completions are neither kept nor read."""

LOCK_SECONDS = 60.0
"""Longest wait for another process that writes."""

READ_SECONDS = 0.05
"""Longest wait of a lookup: then it is as if nothing was there."""

NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "gluster", "afs", "9p", "virtiofs", "fuse.")
"""How the types of file systems begin that several machines may share."""

_APPLICATION = 0x534B4643  # "SKFC"
_FORMAT = 1
_CHECKSUM_BYTES = 8

_SCHEMA = """
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, backend TEXT NOT NULL, model TEXT NOT NULL, place TEXT NOT NULL, hits INTEGER NOT NULL DEFAULT 0,
    UNIQUE (backend, model, place)
);
CREATE TABLE completions (
    key BLOB PRIMARY KEY, origin INTEGER NOT NULL, created REAL NOT NULL, bytes INTEGER NOT NULL, value BLOB NOT NULL
);
CREATE INDEX by_origin ON completions (origin, created, bytes);
"""


class Row(NamedTuple):
    """A completion as it is kept."""

    key: bytes
    created: float
    """Unix time in seconds."""

    value: bytes


class Store:
    """The completions in a folder.

    Each process writes in transactions: one that is killed at any moment leaves the file whole, without its last group. A
    checksum over key and value makes a lookup that a damaged file would answer wrongly one that finds nothing.
    """

    def __init__(self, folder: Path) -> None:
        """Open the cache in `folder`, which is made where there is none.

        Raises UsageError for a folder that cannot be written, and SkillForgeError for a file that cannot be read.
        """
        self.path = folder / FILE
        with opening(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass  # the folder can be written: SQLite does not say well why not
            self._writing = connect(self.path, LOCK_SECONDS)
            _create(self._writing, self.path)
            self._reading = connect(self.path, READ_SECONDS)

    def close(self) -> None:
        self._reading.close()
        self._writing.close()

    def origin(self, backend: str, model: str, place: str) -> int:
        """The number that stands for an origin."""
        with opening(self.path):
            values = (backend, model, place)
            self._writing.execute("INSERT OR IGNORE INTO origins (backend, model, place) VALUES (?, ?, ?)", values)
            found = self._writing.execute(
                "SELECT id FROM origins WHERE backend = ? AND model = ? AND place = ?", values
            ).fetchone()
        return int(found[0])

    def get(self, key: bytes) -> bytes | None:
        """What is kept under `key`; None where there is nothing, or nothing whole. Raises sqlite3.Error."""
        try:
            found = self._reading.execute(
                "SELECT value FROM completions WHERE key = ? AND length(value) <= ?",
                (key, MOST_BYTES + _CHECKSUM_BYTES),
            ).fetchone()
        except sqlite3.OperationalError as error:
            if _is_locked(error):
                return None
            raise
        if found is None or not isinstance(found[0], bytes):
            return None
        checksum, value = found[0][:_CHECKSUM_BYTES], found[0][_CHECKSUM_BYTES:]
        return value if checksum == _checksum(key, value) else None

    def add(self, origin: int, rows: Iterable[Row], hits: int) -> None:
        """Keep `rows` of `origin`, and count `hits` lookups of it that found something. Raises sqlite3.Error."""
        kept = [
            (row.key, origin, row.created, len(row.value), _checksum(row.key, row.value) + row.value) for row in rows
        ]
        with transaction(self._writing):
            self._writing.executemany("INSERT OR REPLACE INTO completions VALUES (?, ?, ?, ?, ?)", kept)
            if hits:
                self._writing.execute("UPDATE origins SET hits = hits + ? WHERE id = ?", (hits, origin))


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Faults of the file `path` as errors that say what to do."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write the cache folder {path.parent}: {error.strerror}", "name another folder with --cache"
        ) from error
    except sqlite3.OperationalError as error:
        raise SkillForgeError(
            f"cannot use the cache {path}: {error}", "check the folder and the disk, or leave out --cache"
        ) from error
    except sqlite3.DatabaseError as error:
        raise SkillForgeError(
            f"{path} is damaged or no cache ({error})", f"delete {path}*, or name another folder with --cache"
        ) from error


def connect(path: Path, seconds: float) -> sqlite3.Connection:
    """A connection that waits up to `seconds` for other writers, and may be used by one thread at a time."""
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last groups, and never the file
    connection.execute("PRAGMA cache_size = -32000")  # kB: keys are random, so that each one is in another page
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; holds the lock for writing from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def check_format(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where the file is not one of ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise sqlite3.DatabaseError("another program's database")
    if version != _FORMAT:
        raise sqlite3.DatabaseError(f"its format is {version}, and this version reads {_FORMAT}")


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where the file is empty. Several processes may do so at once."""
    if not _is_empty(connection):
        check_format(connection)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _set_journal(connection, "TRUNCATE" if on_network(path.parent) else "WAL")
    with transaction(connection):
        if _is_empty(connection):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return not tables


def _set_journal(connection: sqlite3.Connection, mode: str) -> None:
    """WAL lets readers and a writer work at once, by memory that machines cannot share; TRUNCATE does with file locks.

    SQLite itself does not wait for others that do this at the same time.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}")
            return
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def on_network(folder: Path) -> bool:
    """Whether several machines may share `folder`, as far as Linux tells."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    kinds = [mount.partition(" - ")[2] for mount in mounts if mount.split(" ", 3)[2] == number]
    return any(kind.startswith(NETWORK) for kind in kinds)


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_CHECKSUM_BYTES, key=key).digest()
