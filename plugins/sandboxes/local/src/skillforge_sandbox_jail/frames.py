"""Messages on a stream socket: four bytes of length, the most significant first, then that many bytes."""

from __future__ import annotations

from builtins import EOFError, int, len  # the worker's code may patch the module
from typing import Protocol

HEAD = 4
LARGEST = 16 * 2**20
"""Bytes of the largest message that either side takes."""


class Connection(Protocol):
    """A blocking stream socket."""

    def recv(self, size: int, /) -> bytes: ...


def framed(body: bytes) -> bytes:
    """`body` as it goes over the socket."""
    return len(body).to_bytes(HEAD, "big") + body


def read_exactly(connection: Connection, size: int) -> bytes:
    """`size` bytes and not one more. Raises EOFError where the other side has closed."""
    data = connection.recv(size)
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(connection: Connection) -> bytes:
    """The next message, from a blocking socket. Raises EOFError where the other side has closed."""
    return read_exactly(connection, int.from_bytes(read_exactly(connection, HEAD), "big"))
