"""Outcome: what the metrics need to know of one graded sample."""

from __future__ import annotations

import msgspec

from skillforge.metrics.tool_facts import ToolFacts
from skillforge.parts.grader import VerdictState


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One graded sample: the facts of the sample and the judgement, without the text."""

    problem_id: str
    index: int
    """Number of the attempt at this problem, from 0."""

    state: VerdictState
    """`error` means that no judgement was possible: reported, but no part of any accuracy."""

    error: str | None = None
    """Why, in one line, where the state is `error`."""

    answer: str | None = None
    """The answer found in the transcript: what votes in maj@k."""

    score: float | None = None
    """0 to 1, where the grader gives more than right or wrong."""

    truncated: bool = False
    """Whether the model was cut off before it ended by itself."""

    finish_reason: str | None = None
    """Why the sample ended, in the words of the backend or of the tool loop."""

    tools: ToolFacts | None = None
    """None where the model wrote no code."""

    subsets: dict[str, str] = {}
    """Field -> value that accuracy is broken down by, such as `{"level": "2"}`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency: float | None = None
    """Seconds from sending the request to its last byte."""
