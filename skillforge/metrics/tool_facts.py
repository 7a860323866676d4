"""Tool facts: what one sample did with the code that it wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from skillforge.parts.sandbox import ExecutionStatus
from skillforge.parts.transcript import Segment, Transcript

AnswerPlace = Literal["text", "output", "neither"]

_BEGUN = re.compile(r"\w\Z|\d[.,]\Z")
"""What before an answer makes it the end of a longer word or number."""

_GOES_ON = re.compile(r"\w|,\d|\.\d*[1-9]")
"""What behind an answer makes it the beginning of one."""


class ToolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one sample that wrote code, without any text."""

    statuses: tuple[ExecutionStatus | None, ...] = ()
    """How each execution ended; None where the transcript does not tell, as of another program's run."""

    seconds: tuple[float, ...] = ()
    """Of the executions whose time is known."""

    turns: int = 1
    """How often the model wrote."""

    turn_tokens: tuple[int, ...] = ()
    """Completion tokens of the turns that report them."""

    answer: AnswerPlace | None = None
    """Where the answer stands: see `answer_place`. None where no answer was found."""


def tool_facts(transcript: Transcript, answer: str | None) -> ToolFacts | None:
    """What `transcript` tells of the use of tools, or None where it has neither code nor output.

    An execution is an output. A turn ends with a segment of the model that tells its time; where none does, as in
    transcripts of other programs, a turn is what the model wrote without an output in between.
    """
    for segment in transcript.segments:
        if segment.kind in ("code", "output"):
            break
    else:
        return None
    statuses: list[ExecutionStatus | None] = []
    seconds, turn_tokens = [], []
    timed = stretches = 0
    writing = False
    for segment in transcript.segments:
        if segment.kind == "prompt":
            continue
        if segment.kind == "output":
            writing = False
            statuses.append(segment.status)
            if segment.seconds is not None:
                seconds.append(segment.seconds)
            continue
        stretches += not writing
        writing = True
        timed += segment.seconds is not None
        if segment.tokens is not None:
            turn_tokens.append(segment.tokens)
    return ToolFacts(
        statuses=tuple(statuses),
        seconds=tuple(seconds),
        turns=timed or stretches,
        turn_tokens=tuple(turn_tokens),
        answer=answer_place(transcript, answer) if answer else None,
    )


def answer_place(transcript: Transcript, answer: str) -> AnswerPlace:
    """Where `answer` stands: in the model's `text` after the last output, else in an `output`, else in `neither`.

    It has to stand there by itself, as it is written: 5 stands in 5.0, not in 15, x5, 0.5, 5.2 or 5,000. `neither` is
    thus an answer from earlier text, from the code, or one that the grader has rewritten. Takes linear time.
    """
    last = max((place for place, segment in enumerate(transcript.segments) if segment.kind == "output"), default=-1)
    if _stands_in(answer, transcript.segments[last + 1 :], "text"):
        return "text"
    return "output" if _stands_in(answer, transcript.segments, "output") else "neither"


def _stands_in(answer: str, segments: Iterable[Segment], kind: str) -> bool:
    return any(_stands_alone(answer, segment.text) for segment in segments if segment.kind == kind)


def _stands_alone(answer: str, text: str) -> bool:
    """Whether one of the occurrences of `answer` in `text`, which do not overlap, is no part of a longer word or number."""
    start = text.find(answer)
    while start >= 0:
        end = start + len(answer)
        begun = answer[0].isalnum() and _BEGUN.search(text, max(0, start - 2), start)
        goes_on = answer[-1].isalnum() and _GOES_ON.match(text, end)
        if not begun and not goes_on:
            return True
        start = text.find(answer, end)
    return False
