"""Transcript: what was asked and what was written, in order and typed by who wrote it."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant"]
SegmentKind = Literal["prompt", "reasoning", "text", "code", "output"]


class Message(msgspec.Struct, frozen=True):
    """One chat message."""

    role: Role
    content: str


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
        """All that follows the prompt and is not private reasoning: what a grader reads."""
        return "".join(segment.text for segment in self.segments if segment.kind in ("text", "code", "output"))


def prompt_segments(prompt: Prompt) -> tuple[Segment, ...]:
    """`prompt` as the segments that open a Transcript."""
    if isinstance(prompt, str):
        return (Segment("prompt", prompt),)
    return tuple(Segment("prompt", message.content, message.role) for message in prompt)
