"""Grader: judges a transcript against a problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from skillforge.parts.part import Part
from skillforge.parts.problem import Problem
from skillforge.parts.transcript import Transcript

VerdictState = Literal["correct", "wrong", "no-answer", "error"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The judgement of one sample. `error` means that no judgement was possible; it never counts as wrong."""

    state: VerdictState
    answer: str | None = None
    """The answer that was found in the transcript."""

    reason: str | None = None
    """Why: the rule that found the answer and how it was compared, in a few words."""

    score: float | None = None
    """0 to 1, where a grader gives more than right or wrong."""


class Grader(Part):
    """Judges transcripts. Deterministic and picklable by name; the text it reads is hostile and is never evaluated."""

    kind = "grader"

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        """Judge one transcript. `answer` is what the prompt style read as the final answer, where it marks one.

        Must not raise on any text; must end in bounded time and memory.
        """
        raise NotImplementedError

    def group(self, answers: Sequence[str]) -> list[int]:
        """Equivalence classes of `answers` for majority votes: equal numbers mean equal answers. Same length and order."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(answer, len(numbers)) for answer in answers]
