"""The line that shows how a run goes, on a terminal."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from skillforge.cli import display
from skillforge.cli.display import ProgressDisplay
from skillforge.parts.grader import Verdict
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample

WRONG, RIGHT = Verdict(state="wrong"), Verdict(state="correct")


class Terminal(io.StringIO):
    """What was drawn."""

    def until(self, text: str) -> None:
        """Wait for the next drawing of `text`: the line is drawn anew four times a second."""
        begin = self.tell()
        deadline = time.monotonic() + 20
        while text not in self.getvalue()[begin:]:
            assert time.monotonic() < deadline, self.getvalue()[begin:][-300:]
            time.sleep(0.02)

    @property
    def last(self) -> str:
        """The last line that was drawn."""
        return self.getvalue().rstrip().rsplit("\r", 1)[-1]


class Clock:
    """The time that the display sees."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, color_system=None, width=140)
    monkeypatch.setattr(display, "make_console", lambda stderr=False: console)
    return terminal


def sample(latency: float) -> Sample:
    problem = Problem(id="1", question="1 + 1?", expected_answer="2")
    return Sample(benchmark="b", split="test", problem=problem, sample_index=0, latency=latency, completion_tokens=10)


def test_it_says_what_it_waits_for_until_the_first_sample_is_there(terminal: Terminal, clock: Clock) -> None:
    shown = ProgressDisplay()
    shown.started("sums/test", 2, 0)
    terminal.until("0/2 --:-- waiting for the first sample, 0 s")
    clock.now += 41
    terminal.until("waiting for the first sample, 41 s")
    shown.sample(sample(latency=0.5), RIGHT, 32)
    terminal.until("100.0 % right, 2/s, 20 tok/s")  # the 41 seconds are no part of it
    clock.now += 9.5
    terminal.until("100.0 % right, 0.1/s, 1 tok/s")  # nothing has come since
    shown.finished()


def test_only_samples_that_can_be_are_in_flight(terminal: Terminal) -> None:
    shown = ProgressDisplay()
    shown.started("sums/test", 3, 0)
    shown.sample(sample(0.5), RIGHT, 32)
    terminal.until("2 in flight")
    shown.sample(sample(0.5), WRONG, 32)
    shown.sample(sample(0.5), WRONG, 32)
    shown.finished()
    assert "3/3" in terminal.last and "33.3 % right" in terminal.last and "in flight" not in terminal.last


def test_a_run_that_goes_on_tells_of_how_many_samples_the_share_is(terminal: Terminal) -> None:
    shown = ProgressDisplay()
    shown.started("sums/test", 4, 2)
    assert "2 of 4 samples are done already" in terminal.getvalue()
    shown.sample(sample(0.5), RIGHT, 32)
    shown.sample(sample(0.5), WRONG, 32)
    shown.finished()
    assert "4/4" in terminal.last and "50.0 % of 2 right" in terminal.last
