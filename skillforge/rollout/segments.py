"""Text with blocks of code as typed segments, and back: the segments of a text, joined, are that text to the byte."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from skillforge.parts.code import CodeProtocol
from skillforge.parts.transcript import Segment


class Marks(NamedTuple):
    """What a protocol's strings come to when text is read or written."""

    opening: re.Pattern[str]
    """The beginning of a block of code, with the end of its line."""

    closing: re.Pattern[str]
    """The end of a block of code, at the start of a line."""

    output: re.Pattern[str]
    """The beginning of an output, with the white space before it."""

    output_name: str
    """What an output begins with, without white space."""

    output_end: re.Pattern[str]
    written: str
    """The part of `output_begin` that the model writes itself."""

    added: str
    """The part of `output_begin` that follows it."""


@lru_cache(maxsize=64)
def marks_of(protocol: CodeProtocol) -> Marks:
    """The marks of `protocol`. Raises ValueError where its `stop` is neither `code_end` nor in `output_begin`."""
    written, added = "", protocol.output_begin
    if protocol.stop != protocol.code_end:
        at = protocol.output_begin.find(protocol.stop)
        if at < 0:
            raise ValueError(f"stop {protocol.stop!r} is neither code_end nor a part of output_begin")
        end = at + len(protocol.stop)
        written, added = protocol.output_begin[:end], protocol.output_begin[end:]
    name = protocol.output_begin.strip()
    return Marks(
        opening=re.compile(re.escape(protocol.code_begin.rstrip()) + r"[ \t]*\n?"),
        closing=re.compile(r"(?m)^[ \t]*" + re.escape(protocol.code_end.strip())),
        output=re.compile(r"\s*" + re.escape(name) + r"[ \t]*\n?"),
        output_name=name,
        output_end=re.compile(
            r"(?:\n|(?<=\n))"
            + re.escape(protocol.output_end.strip())
            + (r"\n?" if protocol.output_end[-1:] == "\n" else "")
        ),
        written=written,
        added=added,
    )


class Block(NamedTuple):
    """A block of code in a text: positions of its beginning, of the code, and of what follows it."""

    begin: int
    code: int
    code_end: int
    end: int
    closed: bool


class BlockReader:
    """Finds the blocks of code in a text, one after the other, in time linear in its length whatever it holds."""

    def __init__(self, text: str, protocol: CodeProtocol) -> None:
        self._text = text
        self._marks = marks_of(protocol)
        self._code_end = protocol.code_end.strip()
        self._line_closing = self._marks.closing.search(text)

    def next(self, start: int = 0) -> Block | None:
        """The first block from `start` on, which never lessens; one that nothing closes reaches to the end of the text."""
        text = self._text
        opening = self._marks.opening.search(text, start)
        if opening is None:
            return None
        code = opening.end()
        if self._line_closing is not None and self._line_closing.start() < code:
            self._line_closing = self._marks.closing.search(text, code)
        if self._line_closing is not None:  # at the start of a line: code may well have a fence in a string
            return Block(opening.start(), code, *self._line_closing.span(), closed=True)
        at = text.find(self._code_end, code)
        if at < 0:
            return Block(opening.start(), code, len(text), len(text), closed=False)
        return Block(opening.start(), code, at, at + len(self._code_end), closed=True)


def written_segments(text: str, protocol: CodeProtocol) -> list[Segment]:
    """What a model wrote in one turn: text and code, in order."""
    segments: list[Segment] = []
    blocks, at = BlockReader(text, protocol), 0
    while (block := blocks.next(at)) is not None:
        _add_text(segments, text[at : block.begin])
        segments.append(_code(text, block))
        at = block.end
    _add_text(segments, text[at:])
    return segments


def parsed_segments(text: str, protocol: CodeProtocol) -> tuple[Segment, ...]:
    """A whole answer with its outputs in it, as a tool loop has recorded it: text, code and outputs, in order.

    A block that looks like an output counts as one where it follows code. Any text can be read; joined, the segments'
    `exact` give it back.
    """
    marks = marks_of(protocol)
    segments: list[Segment] = []
    blocks, at = BlockReader(text, protocol), 0
    while (block := blocks.next(at)) is not None:
        _add_text(segments, text[at : block.begin])
        code = _code(text, block)
        at = block.end
        opening = marks.output.match(text, at) if block.closed else None
        if opening is None:
            segments.append(code)
            continue
        begin = opening.start() + opening[0].index(marks.output_name)
        by_model = begin + len(marks.output_name) if marks.written else at
        if marks.written.endswith("\n"):
            by_model = opening.end()
        segments.append(Segment("code", code.text, begin=code.begin, end=text[block.code_end : by_model]))
        closing = marks.output_end.search(text, opening.end())
        last, end = (closing.start(), closing.end()) if closing else (len(text), len(text))
        last = max(last, opening.end())
        end = max(last, end)
        segments.append(
            Segment("output", text[opening.end() : last], begin=text[by_model : opening.end()], end=text[last:end])
        )
        at = end
    _add_text(segments, text[at:])
    return tuple(segments)


def _code(text: str, block: Block) -> Segment:
    return Segment(
        "code",
        text[block.code : block.code_end],
        begin=text[block.begin : block.code],
        end=text[block.code_end : block.end],
    )


def _add_text(segments: list[Segment], text: str) -> None:
    if text:
        segments.append(Segment("text", text))
