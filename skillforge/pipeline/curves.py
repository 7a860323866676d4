"""Curves of pass@k and maj@k over k: their data from summaries, and a PNG of them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from skillforge.errors import UsageError
from skillforge.metrics.summary import AtK, Summary
from skillforge.runs.rows import write_atomically
from skillforge.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Metric = Literal["pass@k", "maj@k"]

STYLES: dict[Metric, tuple[str, str]] = {"pass@k": ("-", "o"), "maj@k": ("--", "s")}
"""How a metric is drawn: line and marker. The colour tells the run."""

COLOURS = 10
INCHES = 8.0, 5.0
DOTS_PER_INCH = 120


class Point(msgspec.Struct, frozen=True):
    """A metric at one k, 0 to 1, with its 95 % interval where it is known."""

    k: int
    value: float
    low: float | None = None
    high: float | None = None


class Curve(msgspec.Struct, frozen=True):
    """One metric of one run, by ascending k."""

    run: str
    metric: Metric
    points: tuple[Point, ...]

    @property
    def label(self) -> str:
        """What the legend says: plain text, whatever the run is called."""
        return f"{self.metric}, {one_line(self.run, 60)}"


def curves(runs: Sequence[tuple[str, Summary]]) -> list[Curve]:
    """The curves of `runs`, (name, summary) each; none of a run with one sample a problem."""
    return [curve for name, summary in runs if summary.samples_per_problem > 1 for curve in _curves_of(name, summary)]


def _curves_of(run: str, summary: Summary) -> Iterator[Curve]:
    by_metric: Mapping[Metric, Mapping[str, AtK]] = {"pass@k": summary.pass_at, "maj@k": summary.maj_at}
    for metric, found in by_metric.items():
        points = [Point(int(k), at.value, at.low, at.high) for k, at in found.items() if at.value is not None]
        if points:
            yield Curve(run, metric, tuple(sorted(points, key=lambda point: point.k)))


def write_plot(path: Path, runs: Sequence[tuple[str, Summary]]) -> None:
    """Draw the curves of `runs` into the PNG `path`. Raises SkillForgeError where that cannot be."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"a plot is written as PNG, not as '{path.name}'", "name a file that ends in .png")
    found = curves(runs)
    if not found:
        raise UsageError("no run has more than one sample a problem", "make some: skillforge eval --repeats 8")
    write_atomically(path, png(found))


def png(found: Sequence[Curve]) -> bytes:
    """`found` as a PNG. Needs no display and ignores the user's settings of matplotlib: the same curves, the same image."""
    try:
        import matplotlib.style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("plots need the package 'matplotlib'", "pip install 'skillforge[plots]'") from error
    image = io.BytesIO()
    with matplotlib.style.context(["default", {"text.parse_math": False}], after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # no font has all characters that a run's name may have
        figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        lines = _draw(axes, found)
        below = axes.legend(
            lines, [curve.label for curve in found], loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False
        )
        figure.savefig(
            image, format="png", bbox_inches="tight", bbox_extra_artists=[below], metadata={"Software": None}
        )
    return image.getvalue()


def _draw(axes: Axes, found: Sequence[Curve]) -> list[Line2D]:
    from matplotlib.ticker import NullLocator, PercentFormatter

    colours = {run: f"C{number % COLOURS}" for number, run in enumerate(dict.fromkeys(curve.run for curve in found))}
    lines = []
    for curve in found:
        style, marker = STYLES[curve.metric]
        colour, ks = colours[curve.run], [point.k for point in curve.points]
        lines += axes.plot(
            ks, [point.value for point in curve.points], linestyle=style, marker=marker, markersize=4, color=colour
        )
        lows = [point.value if point.low is None else point.low for point in curve.points]
        highs = [point.value if point.high is None else point.high for point in curve.points]
        axes.fill_between(ks, lows, highs, color=colour, alpha=0.1, linewidth=0)
    axes.set_xscale("log", base=2)
    ticks = _ticks({point.k for curve in found for point in curve.points})
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("k: samples of a problem")
    axes.set_ylabel("problems solved")
    axes.set_title("pass@k and maj@k, with 95 % intervals")
    axes.grid(alpha=0.3)
    return lines


def _ticks(ks: set[int]) -> list[int]:
    """Those of `ks` whose labels do not touch on a logarithmic axis; the greatest is among them."""
    ticks: list[int] = []
    for k in sorted(ks, reverse=True):
        if not ticks or ticks[-1] >= 1.3 * k:
            ticks.append(k)
    return ticks[::-1]
