"""Batch records: what was submitted and is not done with, on disk, so that a process that ends does not lose it.

One file for each batch, held by a lock for as long as a process follows that batch: another that asks for the same does
not take its answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec

from skillforge import UsageError

KEPT_SECONDS = 30 * 86400.0
"""OpenAI deletes the answers after this time."""


class Submitted(msgspec.Struct, frozen=True):
    """The first line of a record: what was uploaded, written before the batch is asked for."""

    time: float
    input_file: str
    path: str
    ids: tuple[str, ...]


class _Accepted(msgspec.Struct, frozen=True):
    """The second line: the batch that came of it."""

    batch: str


class Record:
    """A record that this process holds."""

    def __init__(self, file: Path, handle: int, submitted: Submitted, batch: str | None = None) -> None:
        self.submitted = submitted
        self.batch = batch
        """Id of the batch; None where the process that asked for it ended before it was told."""
        self._file = file
        self._handle = handle

    def accept(self, batch: str) -> None:
        """Note which batch came of it."""
        self.batch = batch
        _append(self._handle, _Accepted(batch))

    def forget(self) -> None:
        """The batch is done with."""
        self._file.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let another process go on with it."""
        with contextlib.suppress(OSError):
            os.close(self._handle)


class Records:
    """The records in one folder. Raises UsageError where that cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                f"the folder for batches cannot be made ({error.strerror})",
                "name another with -o backend.batch_dir=DIR",
            ) from None

    def held(self) -> Iterator[Record]:
        """Those that an earlier process left, the oldest first, now held by this one."""
        found = (self._hold(file) for file in self._folder.glob("*.jsonl"))
        yield from sorted((record for record in found if record), key=lambda record: record.submitted.time)

    def add(self, input_file: str, path: str, ids: tuple[str, ...]) -> Record:
        """A new record. Raises OSError."""
        file = self._folder / f"{uuid.uuid4().hex}.jsonl"
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        submitted = Submitted(time.time(), input_file, path, ids)
        _append(handle, submitted)
        return Record(file, handle, submitted)

    def _hold(self, file: Path) -> Record | None:
        """The record in `file`; None where another process holds it, or nothing can come of it any more."""
        with contextlib.suppress(OSError):
            handle = os.open(file, os.O_RDWR | os.O_APPEND)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                return None
            record = _read(file, handle)
            if record and time.time() - record.submitted.time < KEPT_SECONDS:
                return record
            file.unlink(missing_ok=True)
            os.close(handle)
        return None


def folder_for(base: str | None, url: str, model: str) -> Path:
    """Where the records for one model of one server are: below `base`, or below the user's cache directory."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    root = Path(base).expanduser() if base else Path(cache).expanduser() / "skillforge" / "batches"
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", model)[-40:].strip("-.")
    which = hashlib.sha256(f"{url} {model}".encode()).hexdigest()[:12]
    return root / f"{name}-{which}"


def _read(file: Path, handle: int) -> Record | None:
    """The record in `file`, whose last line may be torn; None where there is no whole first line."""
    lines = file.read_bytes().split(b"\n")[:-1]
    try:
        submitted = msgspec.json.decode(lines[0], type=Submitted)
        batch = msgspec.json.decode(lines[1], type=_Accepted).batch if len(lines) > 1 else None
    except (IndexError, ValueError, RecursionError):
        return None
    return Record(file, handle, submitted, batch)


def _append(handle: int, line: msgspec.Struct) -> None:
    os.write(handle, msgspec.json.encode(line) + b"\n")
    os.fsync(handle)
