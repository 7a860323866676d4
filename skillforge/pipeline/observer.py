"""Observer: told how a stage goes, so that a stage itself prints nothing."""

from __future__ import annotations

from typing import Protocol

from skillforge.parts.grader import Verdict
from skillforge.parts.sample import Sample


class Observer(Protocol):
    """Shows progress. Calls come from the event loop: return at once."""

    def started(self, title: str, total: int, already_done: int) -> None:
        """Work begins on `total` samples, of which `already_done` are stored."""

    def sample(self, sample: Sample, verdict: Verdict, in_flight: int | None) -> None:
        """One sample is stored and judged; `in_flight` is how many requests may be in flight now."""

    def left_out(self, samples: int) -> None:
        """So many samples are not made after all."""

    def note(self, text: str) -> None:
        """Something that the user should know, in one line."""

    def finished(self) -> None:
        """No more samples come."""


class Silent:
    """An Observer that shows nothing."""

    def started(self, title: str, total: int, already_done: int) -> None: ...

    def sample(self, sample: Sample, verdict: Verdict, in_flight: int | None) -> None: ...

    def left_out(self, samples: int) -> None: ...

    def note(self, text: str) -> None: ...

    def finished(self) -> None: ...
