"""What goes over a container's stdin and stdout: pieces of several channels.

A piece is one byte that says which channel, four bytes of length, then that many bytes. An empty piece says that this
channel has closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skillforge_sandbox_jail.frames import LARGEST

MAIN, WORKER, INIT, STDOUT, STDERR = range(5)
"""The channels. MAIN is the first process's own: it gets a Setup, then START and END in turn; it answers READY and END."""

READY, START, END = b"ready", b"start", b"end"
HEAD = 5
LARGEST_PIECE = LARGEST + 2**10


class Setup(NamedTuple):
    """What the supervisor tells of the sessions that it wants, as JSON. Amounts are in bytes."""

    preload: list[str]
    prelude: str
    memory: int
    """What all processes of a session may hold together."""

    address_space: int
    """What each process may map."""

    file_size: int
    open_files: int


def piece(channel: int, data: bytes) -> bytes:
    """`data` as it goes over stdin and stdout."""
    return bytes((channel,)) + len(data).to_bytes(4, "big") + data


class Pieces:
    """(channel, data) out of what comes over stdin or stdout, in whatever parts."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The pieces that `data` completes. Raises ValueError where there can be no such piece."""
        self._data += data
        start = 0
        while len(self._data) >= start + HEAD:
            channel, size = self._data[start], int.from_bytes(self._data[start + 1 : start + HEAD], "big")
            if channel > STDERR or size > LARGEST_PIECE:
                raise ValueError("what comes from the container is no piece of a channel")
            end = start + HEAD + size
            if len(self._data) < end:
                break
            yield channel, bytes(self._data[start + HEAD : end])
            start = end
        del self._data[:start]
