"""Transcript: what was asked and what was written, in order and typed by who wrote it."""

from __future__ import annotations

from typing import Literal

import msgspec

from skillforge.parts.sandbox import ExecutionStatus

Role = Literal["system", "user", "assistant", "tool"]
SegmentKind = Literal["prompt", "reasoning", "text", "code", "output"]


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a function that a model asks for. `arguments` is JSON as the model wrote it, which may be no JSON at all."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One chat message."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """What the model asks to be called, in a message of the assistant."""

    tool_call_id: str | None = None
    """Which call a message of the role `tool` answers."""


Prompt = tuple[Message, ...] | str
"""What is sent: chat messages, or raw text for a completion."""


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a Transcript.

    `prompt` was sent by us (with a role: one chat message; without: raw text), `reasoning` and `text` and `code` were
    written by the model, `output` by the sandbox.
    """

    kind: SegmentKind
    text: str
    role: Role | None = None
    begin: str = ""
    """What stands before `text` and is written by the same hand, such as the opening fence of a block of code."""

    end: str = ""
    """What stands after `text` and is written by the same hand, such as the closing fence."""

    call: ToolCall | None = None
    """The call that asked for this code, or that this output answers, where a model calls tools apart from its text."""

    status: ExecutionStatus | None = None
    """How the code ended, of an output."""

    seconds: float | None = None
    """Of an output: the time the code ran. Of the last segment of a model's turn: from the request to its last byte."""

    tokens: int | None = None
    """Tokens that the model generated in the turn that ends with this segment."""

    @property
    def exact(self) -> str:
        """The text with what stands around it: the segments of a transcript, joined, are what was sent, to the byte."""
        return f"{self.begin}{self.text}{self.end}"


class Transcript(msgspec.Struct, frozen=True):
    """Ordered segments: one record for display, grading and loss masking."""

    segments: tuple[Segment, ...] = ()

    @property
    def prompt(self) -> Prompt:
        """The prompt as it was sent."""
        asked = [segment for segment in self.segments if segment.kind == "prompt"]
        if all(segment.role is None for segment in asked):
            return "".join(segment.text for segment in asked)
        return tuple(Message(segment.role or "user", segment.text) for segment in asked)

    @property
    def answer_text(self) -> str:
        """All that follows the prompt and is not private reasoning: what a grader reads.

        Calls of functions, which are no part of the model's text, and their outputs are lines of their own.
        """
        shown = (segment for segment in self.segments if segment.kind in ("text", "code", "output"))
        return "".join(f"\n{segment.text}\n" if segment.call else segment.exact for segment in shown)


def prompt_segments(prompt: Prompt) -> tuple[Segment, ...]:
    """`prompt` as the segments that open a Transcript."""
    if isinstance(prompt, str):
        return (Segment("prompt", prompt),)
    return tuple(Segment("prompt", message.content, message.role) for message in prompt)
