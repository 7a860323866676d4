"""Pairs of connected descriptors: one end is kept, the other given away."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import Self


class Ends:
    """Makes pairs, and closes on leaving the context what was not kept; also where making one more fails."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._kept: set[socket.socket | int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """A pair of connected stream sockets."""
        pair = socket.socketpair()
        for end in pair:
            self._stack.callback(self._close, end)
        return pair

    def pipe(self) -> tuple[int, int]:
        """A pipe: its reading end, and its writing end."""
        pair = os.pipe()
        for end in pair:
            self._stack.callback(self._close, end)
        return pair

    def keep(self, *ends: socket.socket | int) -> None:
        """Leave these open: they belong to somebody else now."""
        self._kept.update(ends)

    def _close(self, end: socket.socket | int) -> None:
        if end in self._kept:
            return
        if isinstance(end, int):
            os.close(end)
        else:
            end.close()
