"""`skillforge report` on runs with code and with many samples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, skillforge

pytestmark = pytest.mark.usefixtures("scripted")


def run(out: str, *more: object) -> Path:
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--quiet", "--seed", 1, "--out", out, *more
    )
    assert ended.code == 0, ended.err
    return Path(out)


def with_code(path: Path) -> Path:
    """Make the samples of a run in which the model wrote code for each of them: every fourth execution fails."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        *before, last = row["transcript"]["segments"]
        status = "ok" if number % 4 else "timeout"
        row["transcript"]["segments"] = [
            *before,
            {"kind": "code", "text": "print(1)", "tokens": 20, "seconds": 0.5},
            {"kind": "output", "text": "1", "status": status, "seconds": 0.25},
            {**last, "tokens": 10, "seconds": 0.5},
        ]
    (path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert skillforge("grade", path).code == 0
    return path


def report(*arguments: object) -> Ended:
    ended = skillforge("report", *arguments)
    assert ended.code == 0, ended.err
    return ended


def test_the_use_of_tools_is_shown_side_by_side() -> None:
    coding, plain = with_code(run("coding")), run("plain")
    tools = json.loads(report(coding, plain, "--json").out)
    assert tools[1]["tools"] is None
    assert (tools[0]["tools"]["executions"], tools[0]["tools"]["timeout_rate"]) == (12, 0.25)
    assert tools[0]["tools"]["turn_tokens"] == {"mean": 15.0, "p90": 20.0, "max": 20}
    assert sum(tools[0]["tools"]["answers"].values()) == 12
    table = report(coding, plain).out.partition("Tool use")[2].partition("Samples")[0]
    assert re.search(r"samples with code +12 \(100\.0 % of all\) +\u2013", table)
    assert re.search(r"timed out +25\.0 % of executions +\u2013", table)
    assert re.search(r"time of an execution +mean 0\.250 s, p90 0\.250 s, most 0\.250 s", table)
    assert "| turns a sample | mean 2.0, p90 2, most 2 |" in (coding / "report.md").read_text()
    assert "Tool use" not in report(plain).out


def test_a_plot_of_runs_beside_the_report() -> None:
    one, two = run("one", "--repeats", 4), run("two", "--repeats", 2)
    ended = report(one, two, "--plot", "curves.png")
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert "curves.png" in ended.err and "curves.png" not in ended.out
    assert "Samples of one problem together of two" in ended.out
    assert "Curves" not in ended.out  # no terminal
    assert json.loads(report(one, "--json", "--plot", "other.png").out)[0]["run"] == "one"
    refused = skillforge("report", run("single"), "--plot", "single.png")
    assert refused.code == 2 and "more than one sample" in refused.err
    assert not Path("single.png").exists()


def test_runs_of_the_same_name_are_told_apart_by_their_paths() -> None:
    Path("a").mkdir()
    Path("b").mkdir()
    out = report(run("a/run"), run("b/run")).out
    assert re.search(r"level +problems +a/run +b/run", out)


def test_the_votes_of_a_run_are_shown_where_it_held_any() -> None:
    voted, plain = run("voted"), run("plain")
    assert "Vote" not in report(voted, plain).out
    summary = json.loads((voted / "summary.json").read_text())
    accuracy = {"value": 0.75, "low": 0.5, "high": 0.9, "method": "wilson", "n": 12}
    summary["vote"] = {
        "voter": "majority 1.0", "accuracy": accuracy, "problems": 12, "no_answer": 1, "error": 0, "ballots_mean": 4.0,
        "early_stops": 0, "cancelled": 0, "restarts": 0,
    }  # fmt: skip
    (voted / "summary.json").write_text(json.dumps(summary))
    table = report(voted, plain).out.partition("\nVote\n")[2].partition("\nSamples\n")[0]
    assert re.search(r"voter +majority 1\.0 +\u2013", table)
    assert re.search(r"accuracy +75\.0 % +\u2013", table)
