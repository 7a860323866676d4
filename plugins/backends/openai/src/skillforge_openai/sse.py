"""Server-sent events: the data of each event, out of bytes that come in pieces.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from skillforge import RequestFailed

LONGEST_EVENT = 64 * 2**20
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Events:
    """Reads one stream. Comments and fields other than `data` are passed over."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of the events that end in `piece`. Raises RequestFailed for an event without end."""
        if self._after_return:  # a line's "\r\n" came in two pieces
            piece = piece.removeprefix(b"\n")
        if not piece:
            return
        self._after_return = piece.endswith(b"\r")
        *lines, rest = _LINE_END.split(piece)
        for line in lines:
            yield from self._end_line(line)
        self._keep(rest)

    def end(self) -> Iterator[bytes]:
        """The data of an event that the stream ended in, without the empty line."""
        yield from self._end_line(b"")
        yield from self._end_line(b"")

    def _keep(self, rest: bytes) -> None:
        self._line.append(rest)
        self._size += len(rest)
        if self._size > LONGEST_EVENT:
            raise RequestFailed(f"the server sent an event of more than {LONGEST_EVENT // 2**20} MiB")

    def _end_line(self, rest: bytes) -> Iterator[bytes]:
        self._keep(rest)
        line = b"".join(self._line).removeprefix(b"\xef\xbb\xbf")
        self._line.clear()
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line:
            if self._data:
                yield b"\n".join(self._data)
            self._data.clear()
            self._size = 0
