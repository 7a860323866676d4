"""Curves of pass@k and maj@k: their data, the PNG, and the terminal."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from skillforge import SkillForgeError, UsageError
from skillforge.cli.display import print_report
from skillforge.metrics.outcome import Outcome
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.pipeline.curves import Curve, Point, curves, png, write_plot
from skillforge.runs.manifest import Manifest

HOSTILE = "$\\frac{$ \x1b[2J_^{\u4e2d\u202e\n" + "long" * 50


def summary(repeats: int = 4, answers: bool = True) -> Summary:
    """Problem number n is solved by n of its samples."""
    tally = Tally()
    for problem in range(repeats + 1):
        for index in range(repeats):
            right = index < problem
            answer = ("1" if right else f"-{index}") if answers else None
            state = "correct" if right else "wrong"
            tally.add(
                msgspec.convert({"problem_id": f"{problem}", "index": index, "state": state, "answer": answer}, Outcome)
            )
    return tally.summary()


def test_the_data_of_several_runs() -> None:
    found = curves([("one", summary(4)), ("single", summary(1)), ("silent", summary(3, answers=False))])
    assert [(curve.run, curve.metric) for curve in found] == [
        ("one", "pass@k"), ("one", "maj@k"), ("silent", "pass@k"),
    ]  # fmt: skip
    assert [point.k for point in found[0].points] == [1, 2, 4]
    assert [point.value for point in found[0].points] == pytest.approx([0.5, 2 / 3, 0.8])
    for point in found[0].points:
        assert point.low is not None and point.high is not None
        assert 0 <= point.low < point.value < point.high <= 1


def test_the_png_opens_and_is_the_same_each_time() -> None:
    from matplotlib.image import imread

    found = curves([("one", summary()), ("two", summary(6))])
    image = png(found)
    assert image == png(found)
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", image[16:24])
    assert 700 < width < 1200 and 500 < height < 1200
    pixels = imread(io.BytesIO(image))
    assert pixels.shape[:2] == (height, width)
    assert 0.05 < (pixels[:, :, :3] < 0.99).any(axis=2).mean() < 0.9  # something is drawn


@pytest.mark.filterwarnings("error")
def test_no_name_and_no_setting_of_the_user_breaks_the_png() -> None:
    import matplotlib

    usual = png(curves([("one", summary())]))
    with matplotlib.rc_context({"figure.facecolor": "red", "text.color": "red", "lines.linewidth": 9}):
        assert png(curves([("one", summary())])) == usual
    hostile = curves([(HOSTILE, summary()), ("_hidden", summary()), ("", summary())])
    assert png(hostile).startswith(b"\x89PNG")
    assert [curve.label[:12] for curve in hostile[::2]] == ["pass@k, $\\fr", "pass@k, _hid", "pass@k, "]
    assert not any(char in curve.label for curve in hostile for char in "\x1b\n\u202e")


def test_a_curve_of_one_point_without_an_interval_is_drawn() -> None:
    assert png([Curve("old", "pass@k", (Point(1, 1.0),))]).startswith(b"\x89PNG")


def test_what_cannot_be_plotted_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [("one", summary())]
    with pytest.raises(UsageError, match=r"ends in \.png"):
        write_plot(tmp_path / "plot.pdf", runs)
    with pytest.raises(UsageError, match="eval --repeats"):
        write_plot(tmp_path / "plot.png", [("one", summary(1))])
    with pytest.raises(SkillForgeError, match="nowhere"):
        write_plot(tmp_path / "nowhere" / "plot.png", runs)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'skillforge\[plots\]'"):
        write_plot(tmp_path / "plot.png", runs)
    assert list(tmp_path.iterdir()) == []


def shown(*names: str, **settings: Any) -> str:
    manifest = Manifest(command="eval", settings={}, resolved={"benchmark": "p:sums"}, identity={})
    stream = io.TextIOWrapper(io.BytesIO(), encoding=settings.pop("encoding", "utf-8"), errors="replace")
    console = Console(file=stream, **{"width": 80, "color_system": None, "force_terminal": True, **settings})
    print_report([(name, manifest, summary()) for name in names], console)
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined,no-any-return]


def test_a_terminal_shows_bars_in_proportion() -> None:
    lines = shown("one").splitlines()
    start = lines.index("Curves (full width: 100 %)")
    assert lines[start + 1].split() == ["k", "pass@k", "maj@k"]
    bars = [line.split() for line in lines[start + 2 : start + 5]]
    assert [(bar[0], bar[2]) for bar in bars] == [("1", "50.0"), ("2", "66.7"), ("4", "80.0")]
    full = [bar[1].count("\u2588") for bar in bars]
    assert full == sorted(full) and full[0] == pytest.approx(0.5 / 0.8 * full[2], abs=1)
    assert max(map(len, lines)) <= 80 and "\x1b" not in "".join(lines)


def test_several_runs_are_told_apart_and_no_name_breaks_the_terminal() -> None:
    text = shown("one", HOSTILE)
    assert "Curves of one (full width" in text and "Curves of $\\frac{$" in text
    assert "\x1b[2J" not in text and "\u202e" not in text


def test_where_bars_cannot_be_shown_there_are_tables_only() -> None:
    for settings in ({"force_terminal": False}, {"encoding": "ascii"}):
        text = shown("one", **settings)
        assert "Samples of one problem together" in text
        assert "Curves" not in text and "\u2588" not in text
