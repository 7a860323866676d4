"""Output of a cell, kept within bounds."""

from __future__ import annotations


class HeadAndTail:
    """The first and the last bytes of what is written: an answer at the end counts as much as a heading."""

    def __init__(self, kept: int) -> None:
        self._room = kept // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.written = 0

    def add(self, data: bytes) -> None:
        self.written += len(data)
        if room := self._room - len(self._head):
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data
            if len(self._tail) > 4 * self._room:  # now and then, not at each write
                del self._tail[: -self._room]

    def text(self) -> str:
        """What was written, as text; in place of what is left out, a line that says how much."""
        tail = self._tail[-self._room :]
        left_out = self.written - len(self._head) - len(tail)
        if not left_out:
            return (self._head + tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "ignore")
        return f"{head}\n[... {left_out:,} bytes left out ...]\n{tail.decode('utf-8', 'ignore')}"

    def take(self) -> str:
        """The text; what comes from now on is kept anew."""
        if not self.written:
            return ""
        text = self.text()
        self._head.clear()
        self._tail.clear()
        self.written = 0
        return text
