"""Append-only JSON-lines files that survive a kill at any byte."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.text import one_line, storable

Struct = TypeVar("Struct", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()

FLUSH_BYTES = 64 * 1024
FLUSH_SECONDS = 1.0


class RowLog:
    """Appends rows to a file in small groups: at most `FLUSH_SECONDS` or `FLUSH_BYTES` of work is ever at risk.

    A group that cannot be written whole (disk full) is cut off again, so that the file always ends with a whole row.
    """

    def __init__(self, path: Path, after: RowLog | None = None) -> None:
        """With `after`, what that log holds is on disk before what this one holds, whenever the process is killed."""
        self._path = path
        self._after = after
        cut_torn_line(path)
        with write_errors(path):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._buffer = bytearray()
        self._flushed_at = time.monotonic()

    def append(self, row: msgspec.Struct) -> None:
        """Add one row. It is on disk after the next flush."""
        self._buffer += encoded(row) + b"\n"
        if len(self._buffer) >= FLUSH_BYTES or time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write out what is buffered."""
        self._flushed_at = time.monotonic()
        if not self._buffer:
            return
        if self._after is not None:
            self._after.flush()
        start = os.fstat(self._file).st_size
        view = memoryview(self._buffer)
        try:
            with write_errors(self._path):
                while view:
                    view = view[os.write(self._file, view) :]
        except SkillForgeError:
            os.ftruncate(self._file, start)
            raise
        finally:
            view.release()
        self._buffer.clear()

    def close(self) -> None:
        try:
            self.flush()
            with write_errors(self._path):
                os.fsync(self._file)
        finally:
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(value, SkillForgeError):
            with contextlib.suppress(SkillForgeError):  # the first fault is the one to tell of
                self.close()
        else:
            self.close()


def read_rows(
    path: Path, row_type: type[Struct], fix: str = "the file was changed: restore or remove the line"
) -> Iterator[Struct]:
    """The rows of `path` as a stream; none where the file does not exist. A torn last line is not a row.

    Raises SkillForgeError, with the advice `fix`, at a line that is no row.
    """
    decoder = msgspec.json.Decoder(row_type)
    if not path.exists():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise SkillForgeError(f"{path}:{number}: not a valid row ({one_line(str(error))})", fix) from error


def cut_torn_line(path: Path) -> None:
    """Cut off a last line that a kill left unfinished."""
    if not path.exists():
        return
    with write_errors(path), path.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        keep = size
        while keep > 0:
            start = max(0, keep - FLUSH_BYTES)
            stream.seek(start)
            newline = stream.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep < size:
            stream.truncate(keep)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: readers see the old file or the new one, never a part."""
    write_lines_atomically(path, [content])


def write_lines_atomically(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace `path` by the concatenated `chunks`; on any fault the old file stays."""
    with replacing(path) as stream:
        stream.writelines(chunks)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when it is complete; on any fault the old file stays."""
    with write_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's faults while writing `path` into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = "free space, then continue; all rows up to here are kept"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            fix = "make the folder writable, or choose another"
        else:
            fix = "check the disk and the path"
        raise SkillForgeError(f"cannot write {path}: {error.strerror}", fix) from error


def encoded(value: Any) -> bytes:
    """`value` as JSON. Half of a surrogate pair, which a server's JSON can name and no file can hold, becomes U+FFFD."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(storable(msgspec.to_builtins(value)))


def to_json(value: Any) -> bytes:
    """`value` as indented JSON, for the files that people read."""
    return msgspec.json.format(msgspec.json.encode(storable(msgspec.to_builtins(value))), indent=2) + b"\n"
