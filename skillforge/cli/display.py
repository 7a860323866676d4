"""Tables and progress on the terminal. Text from outside is shown as text: it can neither style nor break the screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from rich.bar import Bar
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from skillforge.metrics.summary import Summary
from skillforge.parts.grader import Verdict
from skillforge.parts.sample import Sample
from skillforge.pipeline.curves import Curve, curves
from skillforge.pipeline.report import tables
from skillforge.pipeline.tables import Table, percent
from skillforge.runs.manifest import Manifest
from skillforge.text import one_line, printable

REFRESH_SECONDS = 0.25
PLAIN_SECONDS = 10.0
PLAIN_WIDTH = 160
CURVES_WIDTH = 100


def make_console(*, stderr: bool = False) -> Console:
    """A console; where the output is no terminal, wide enough that no cell is cut."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=False)


def print_tables(tables: Sequence[Table], console: Console | None = None) -> None:
    """Print report tables."""
    console = console or make_console()
    for table in tables:
        shown = RichTable(header_style="bold", box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for number, column in enumerate(table.columns):
            word = number < table.labels
            shown.add_column(
                Text(printable(column)), justify="left" if word else "right", overflow="fold", no_wrap=not word
            )
        for row in table.rows:
            shown.add_row(*(Text(printable(cell)) for cell in row))
        console.print(Text(printable(table.title), style="bold"), shown, "", sep="\n")


def print_report(runs: Sequence[tuple[str, Manifest, Summary]], console: Console | None = None) -> None:
    """Print the report on `runs`: its tables and, on a terminal that can show them, the curves of pass@k and maj@k."""
    console = console or make_console()
    print_tables(tables(runs), console)
    if not console.is_terminal or console.is_dumb_terminal or not console.encoding.startswith("utf"):
        return
    for name, _, summary in runs:
        if found := curves([(name, summary)]):
            _print_curves(f" of {one_line(name)}" if len(runs) > 1 else "", found, console)


def _print_curves(suffix: str, found: Sequence[Curve], console: Console) -> None:
    """The curves of one run side by side, as bars."""
    shown = RichTable(
        header_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False, width=min(console.width, CURVES_WIDTH)
    )
    shown.add_column("k", justify="right")
    for curve in found:
        shown.add_column(curve.metric, ratio=1)
        shown.add_column(justify="right", no_wrap=True)
    values = [{point.k: point.value for point in curve.points} for curve in found]
    for k in sorted(set().union(*values)):
        cells: list[RenderableType] = [str(k)]
        for by_k in values:
            cells += [Bar(1.0, 0.0, by_k.get(k, 0.0)), percent(by_k.get(k))]
        shown.add_row(*cells)
    console.print(Text(f"Curves{suffix} (full width: 100 %)", style="bold"), shown, "", sep="\n")


class ProgressDisplay:
    """An Observer that shows a live line on a terminal, and a plain line now and then elsewhere. Writes to standard error."""

    def __init__(self) -> None:
        self._console = make_console(stderr=True)
        self._live: Progress | None = None
        self._states = {"correct": 0, "wrong": 0, "no-answer": 0, "error": 0}
        self._tokens = 0
        self._finished = self._total = self._before = 0
        self._title = ""
        self._in_flight: int | None = None
        self._started = self._shown = time.monotonic()

    def started(self, title: str, total: int, already_done: int) -> None:
        self._title, self._total, self._before = title, total, already_done
        self._started = self._shown = time.monotonic()
        if already_done:
            self.note(f"{already_done} of {total} samples are done already")
        if self._console.is_terminal:
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=12),
                MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=2 * len(str(total)) + 1)),
                TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
                _Told(self._facts),
                console=self._console,
                refresh_per_second=1 / REFRESH_SECONDS,
            )
            self._task = self._live.add_task(title, total=total, completed=already_done)
            self._live.start()

    def sample(self, sample: Sample, verdict: Verdict, in_flight: int | None) -> None:
        now = time.monotonic()
        if not self._finished and in_flight and sample.latency is not None:
            self._started = now - sample.latency  # to load a model, or start a server, is no part of the speed
        self._finished += 1
        self._states[verdict.state] += 1
        self._tokens += sample.completion_tokens or 0
        self._in_flight = in_flight
        if now - self._shown >= (REFRESH_SECONDS if self._live else PLAIN_SECONDS):
            self._shown = now
            self._show()

    def left_out(self, samples: int) -> None:
        self._total -= samples
        if self._live:
            self._live.update(self._task, total=self._total)

    def note(self, text: str) -> None:
        self._console.print(Text(printable(text)), style="dim")

    def finished(self) -> None:
        if self._live:
            self._show()
            self._live.stop()
            self._live = None

    def _show(self) -> None:
        done = self._before + self._finished
        if self._live:
            self._live.update(self._task, completed=done)
        else:
            self._console.print(Text(f"{self._title}: {done} of {self._total}, {self._facts()}"))

    def _facts(self) -> str:
        seconds = max(time.monotonic() - self._started, REFRESH_SECONDS)
        if not self._finished:
            return f"waiting for the first sample, {seconds:.0f} s"
        graded = self._finished - self._states["error"]
        new = f"of {graded:,} " if self._before else ""  # those that were there before are not in this share
        facts = [
            f"{100 * self._states['correct'] / graded:.1f} % {new}right" if graded else "",
            f"{_rate(self._finished / seconds)}/s",
        ]
        if self._tokens:
            facts.append(f"{_rate(self._tokens / seconds)} tok/s")
        if self._states["error"]:
            facts.append(f"{self._states['error']} errors")
        to_come = max(0, self._total - self._before - self._finished)
        if self._in_flight and to_come:
            facts.append(f"{min(self._in_flight, to_come)} in flight")
        return ", ".join(filter(None, facts))


class _Told(ProgressColumn):
    """A column that is asked for its text whenever it is drawn, so that rates fall while nothing comes."""

    def __init__(self, text: Callable[[], str]) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._text = text

    def render(self, task: Task) -> Text:
        return Text(self._text())


def _rate(number: float) -> str:
    """Of things that may come by the thousand, or one in a minute."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
