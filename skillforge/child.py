"""A Python process of its own, for code that may print, hang, or end the process that runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

import msgspec


class ChildHung(Exception):
    """The child gave no answer in time."""


class ChildDied(Exception):
    """The child ended by itself; the message says how."""


class Child:
    """`python -m MODULE` with a private pipe, this process's `sys.path`, and nothing on its standard streams."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._to_child = Connection(os.dup(self._process.stdin.fileno()), readable=False)
        self._from_child = Connection(os.dup(self._process.stdout.fileno()), writable=False)
        self._process.stdin.close()
        self._process.stdout.close()
        self.send(msgspec.json.encode(sys.path))

    def send(self, message: bytes) -> None:
        """Hand `message` to the child. A child that has died shows it at the next `receive`."""
        with suppress(OSError):
            self._to_child.send_bytes(message)

    def receive(self, limit: float) -> bytes:
        """The child's next message. Raises ChildHung after `limit` seconds, and ChildDied."""
        try:
            if not self._from_child.poll(limit):
                raise ChildHung
            return self._from_child.recv_bytes()
        except (EOFError, OSError):
            raise ChildDied(self._how_it_ended()) from None

    def close(self) -> None:
        """End the child and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._to_child.close()
        self._from_child.close()

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed the streams of its process"
        if status >= 0:
            return f"ended the process with exit status {status}"
        return f"killed the process ({_signal_name(-status)})"


class Parent:
    """The child's end of the pipe, made before any foreign code runs: the standard streams then lead nowhere."""

    def __init__(self) -> None:
        self._from_parent = Connection(os.dup(0), writable=False)
        self._to_parent = Connection(os.dup(1), readable=False)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        sys.path[:] = msgspec.json.decode(self.receive(), type=list[str])

    def receive(self) -> bytes:
        """The parent's next message. Raises EOFError when it has gone."""
        return self._from_parent.recv_bytes()

    def send(self, message: bytes) -> None:
        self._to_parent.send_bytes(message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
