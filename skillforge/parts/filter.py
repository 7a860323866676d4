"""Filter: keeps, drops or rewrites a sample while curating."""

from __future__ import annotations

from typing import Any

import msgspec

from skillforge.parts.grader import Verdict
from skillforge.parts.part import Part
from skillforge.parts.sample import Sample


class Dropped(msgspec.Struct, frozen=True):
    """A sample that is not kept, with the reason in a few words (counted in the report)."""

    reason: str


class Filter(Part):
    """One rule of curation."""

    kind = "filter"

    def apply(self, sample: Sample, verdict: Verdict, options: Any) -> Sample | Dropped:
        """The sample to keep (the same, or a rewritten one), or Dropped."""
        raise NotImplementedError
