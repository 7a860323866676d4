"""Voter: many samples of one problem to one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from skillforge.parts.part import Part
from skillforge.parts.sample import Sample

Grouping = Callable[[Sequence[str]], Sequence[int]]
"""A grader's equivalence: answers -> class numbers."""


class Voter(Part):
    """Chooses one answer among the answers of many samples."""

    kind = "voter"

    def vote(
        self, samples: Sequence[Sample], answers: Sequence[str | None], group: Grouping, options: Any
    ) -> str | None:
        """The winning answer, or None where no sample has one. `answers` belong to `samples`, in order."""
        raise NotImplementedError
