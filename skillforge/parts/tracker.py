"""Tracker: told of runs and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skillforge.parts.part import Part


class Tracker(Part):
    """Passes runs on to an experiment tracker. A fault in one is shown once and never harms the run."""

    kind = "tracker"

    def start(self, run: Mapping[str, Any], options: Any) -> None:
        """A run begins; `run` is the content of run.json."""
        raise NotImplementedError

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics at `step` (finished samples, or training steps)."""
        raise NotImplementedError

    def finish(self, summary: Mapping[str, Any]) -> None:
        """The run ended; `summary` is the content of summary.json."""
        raise NotImplementedError
