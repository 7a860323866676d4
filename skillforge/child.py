"""A Python process of its own, for code that may print, hang, or end the process that runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress

import msgspec

HEAD = 4
"""Bytes before a message that give its length, the most significant first."""

READ_BYTES = 256 * 1024
END_PATIENCE = 1.0
"""Seconds from the end of a child's connection to that of its process."""


class ChildHung(Exception):
    """The child gave no answer in time."""


class ChildDied(Exception):
    """The child ended by itself; the message says how."""


def framed(message: bytes) -> bytes:
    """`message` as it goes over the connection."""
    return len(message).to_bytes(HEAD, "big") + message


class Frames:
    """Messages out of the bytes of a connection, in whatever pieces these come."""

    def __init__(self, largest: int | None = None) -> None:
        """`largest`: bytes of the largest message that is taken from a sender that cannot be trusted for size."""
        self._largest = largest
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes. Raises ValueError where one is larger than any may be."""
        self._data += data
        found, start = [], 0
        while len(self._data) >= start + HEAD:
            size = int.from_bytes(self._data[start : start + HEAD], "big")
            if self._largest is not None and size > self._largest:
                raise ValueError(f"a message of {size:,} bytes")
            end = start + HEAD + size
            if len(self._data) < end:
                break
            found.append(bytes(self._data[start + HEAD : end]))
            start = end
        del self._data[:start]
        return found


class Child:
    """`python -m MODULE` with a private connection, this process's `sys.path`, and nothing on its standard streams.

    It has a session of its own, so that Ctrl-C does not reach it, and ends when this process does (on Linux, when the
    thread ends that started it).
    """

    def __init__(self, module: str) -> None:
        self.socket, theirs = socket.socketpair()
        """This process's end of the connection; `framed` messages go over it."""
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._frames = Frames()
        self._received: deque[bytes] = deque()
        self.send(msgspec.json.encode(sys.path))

    def send(self, message: bytes) -> None:
        """Hand `message` to the child. A child that has died shows it at the next `receive`."""
        self.socket.settimeout(None)
        with suppress(OSError):
            self.socket.sendall(framed(message))

    def receive(self, limit: float) -> bytes:
        """The child's next message. Raises ChildHung after `limit` seconds, and ChildDied."""
        end = time.monotonic() + limit
        while not self._received:
            self.socket.settimeout(max(end - time.monotonic(), 1e-6))
            try:
                data = self.socket.recv(READ_BYTES)
            except TimeoutError:
                raise ChildHung from None
            except OSError:
                data = b""
            if not data:
                raise ChildDied(self.how_it_ended())
            self._received.extend(self._frames.feed(data))
        return self._received.popleft()

    def how_it_ended(self) -> str:
        """What became of the child, whose connection has ended: `ended the process with exit status 1`."""
        try:
            status = self._process.wait(END_PATIENCE)
        except subprocess.TimeoutExpired:
            return "closed the streams of its process"
        if status >= 0:
            return f"ended the process with exit status {status}"
        return f"killed the process ({_signal_name(-status)})"

    def close(self) -> None:
        """End the child and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.socket.close()


class Parent:
    """The child's end of the connection, made before any foreign code runs: the standard streams then lead nowhere."""

    def __init__(self) -> None:
        _end_with_parent()
        self._socket = socket.socket(fileno=os.dup(0))
        self._stream = self._socket.makefile("rb")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        sys.path[:] = msgspec.json.decode(self.receive(), type=list[str])

    def receive(self) -> bytes:
        """The parent's next message. Raises EOFError when it has gone."""
        head = self._stream.read(HEAD)
        length = int.from_bytes(head, "big")
        message = self._stream.read(length)
        if len(head) < HEAD or len(message) < length:
            raise EOFError
        return message

    def send(self, message: bytes) -> None:
        self._socket.sendall(framed(message))


def _end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, whatever runs here then. Linux only.

    Elsewhere the process ends with the message that it waits for next.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
