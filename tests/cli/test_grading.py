"""`skillforge grade`: in processes, stopped and continued, explained, and compared; and what graders leave in a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, separately, skillforge, started

from skillforge.pipeline import grading_worker

SUMS = ("eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--seed", 1, "--quiet")
UNRULY = ("--grader", "scripted-unruly")

pytestmark = pytest.mark.usefixtures("scripted")


def run(*more: object, out: str = "run", code: int = 0) -> Path:
    ended = skillforge(*SUMS, "--out", out, *more)
    assert ended.code == code, ended.err
    return Path(out)


def done(*arguments: object) -> Ended:
    ended = skillforge(*arguments)
    assert ended.code == 0, ended.err
    return ended


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def keys(path: Path) -> list[tuple[str, int]]:
    return [(row.get("problem_id") or row["problem"]["id"], row["sample_index"]) for row in rows(path)]


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def wait_for(condition: Any, process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def ended(process: int) -> bool:
    """Whether a process is gone, or nobody has asked yet how it ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# Faults of a grader -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("misdeed", ["exit", "segfault", "spin"])
def test_a_grader_that_ends_its_process_costs_an_evaluation_one_verdict(
    misdeed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading_worker, "ANSWER_LIMIT", 1.0)
    path = run(*UNRULY, "-o", f"grader.misdeed={misdeed}", "-o", "grader.on=test-5", code=3)
    assert {row["problem_id"] for row in rows(path / "verdicts.jsonl") if row["state"] == "error"} == {"test-5"}
    assert load(path / "summary.json")["samples"] == 12 and load(path / "run.json")["state"] == "finished"
    ended = skillforge("grade", path)
    assert ended.code == 3 and load(path / "summary.json")["error"] == 1
    done("grade", path, "-o", "grader.on=nobody")
    assert load(path / "summary.json")["error"] == 0
    assert load(path / "run.json")["resolved"]["options"]["grader"]["misdeed"] == misdeed  # what is not named stays


def test_a_grader_that_cannot_group_costs_no_summary() -> None:
    path = run("--repeats", 4, "--grader", "scripted-splitter")
    plain = run("--repeats", 4, out="plain")
    assert load(path / "summary.json")["maj_at"] == load(plain / "summary.json")["maj_at"]


def test_what_a_grader_prints_is_not_seen(scripted: dict[str, str], tmp_path: Path) -> None:
    options = (*UNRULY, "-o", "grader.misdeed=print", "-o", "grader.on=test-5")
    found = separately(*SUMS, "--out", "run", *options, cwd=tmp_path, env=scripted)
    assert found.code == 0 and found.err == "" and "\x1b[2J" not in found.out
    found = separately("grade", "run", cwd=tmp_path, env=scripted)
    assert found.code == 0 and "\x1b[2J" not in found.out + found.err


# Stopped and continued ----------------------------------------------------------------------------------------------


def gated(*more: object) -> tuple[object, ...]:
    """A grading whose verdicts after the first wait for the file `gate`."""
    return ("grade", "run", *UNRULY, "-o", "grader.gate=gate", "-o", "grader.journal=journal", *more)


def cut_short(env: dict[str, str], number: signal.Signals, *more: object) -> Ended:
    """A grading of the run that is ended by a signal after its first verdict is stored."""
    with started(*gated(*more), cwd=Path.cwd(), env=env) as process:
        wait_for(lambda: any(path.stat().st_size for path in Path("run").glob("verdicts.partial-*")), process)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    return Ended(process.returncode, out, err)


def test_killed_in_the_middle_it_continues_where_it_was(scripted: dict[str, str]) -> None:
    path = run("--repeats", 2)
    before = {name: (path / name).read_bytes() for name in ("verdicts.jsonl", "summary.json", "samples.jsonl")}
    assert cut_short(scripted, signal.SIGKILL).code == -signal.SIGKILL
    graders = {int(line.split()[1]) for line in Path("journal").read_text().splitlines()}
    while not all(ended(process) for process in graders):
        time.sleep(0.005)
    assert {name: (path / name).read_bytes() for name in before} == before
    kept = [key for partial in path.glob("verdicts.partial-*") for key in keys(partial)]
    assert kept and kept == keys(path / "samples.jsonl")[: len(kept)]

    Path("gate").touch()
    Path("journal").write_text("")
    shown = done(*gated())
    assert f"{len(kept)} of 24 samples are done already" in shown.err
    assert len(Path("journal").read_text().splitlines()) == 24 - len(kept)
    assert keys(path / "verdicts.jsonl") == keys(path / "samples.jsonl")
    assert not list(path.glob("verdicts.partial-*"))
    assert load(path / "summary.json")["accuracy"] == json.loads(before["summary.json"])["accuracy"]
    assert (path / "samples.jsonl").read_bytes() == before["samples.jsonl"]
    Path("journal").write_text("")
    done(*gated())
    assert len(Path("journal").read_text().splitlines()) == 24, "what is complete is judged anew"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_says_how_to_go_on(scripted: dict[str, str], number: signal.Signals) -> None:
    path = run()
    before = (path / "verdicts.jsonl").read_bytes()
    stopped = cut_short(scripted, number)
    assert stopped.code == 130, stopped.err
    assert f"stopped by {number.name}; the verdicts so far are kept, and the same command continues" in stopped.err
    assert "Traceback" not in stopped.err and (path / "verdicts.jsonl").read_bytes() == before
    Path("gate").touch()
    assert " of 12 samples are done already" in done(*gated()).err


def test_another_grading_starts_anew_and_ends_what_was_cut_short(scripted: dict[str, str]) -> None:
    path = run()
    cut_short(scripted, signal.SIGKILL)
    (partial,) = path.glob("verdicts.partial-*")
    failed = skillforge("grade", "run", "--grader", "judge")
    assert failed.code == 2 and partial.exists()  # nothing is lost before another grading has ended
    Path("gate").touch()
    shown = done(*gated("-o", "grader.modulus=2"))
    assert "done already" not in shown.err
    assert load(path / "run.json")["resolved"]["options"]["grader"]["modulus"] == 2
    assert not list(path.glob("verdicts.partial-*"))


def test_a_grading_that_cannot_write_its_summary_is_ended_by_the_same_command() -> None:
    path = run()
    before = (path / "verdicts.jsonl").read_bytes(), (path / "run.json").read_bytes()
    (path / "summary.json").unlink()
    (path / "summary.json").mkdir()
    command = ("grade", path, "--grader", "exact")
    failed = skillforge(*command)
    assert failed.code == 1 and "summary.json" in failed.err
    assert ((path / "verdicts.jsonl").read_bytes(), (path / "run.json").read_bytes()) == before
    (path / "summary.json").rmdir()
    assert "12 of 12 samples are done already" in done(*command).err
    assert load(path / "run.json")["resolved"]["grader"] == "skillforge-exact-grader:exact"


def test_a_torn_line_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    path = run()
    samples = path / "samples.jsonl"
    samples.write_bytes(samples.read_bytes()[:-20])
    assert "is cut off: its sample is not judged" in done("grade", path).err
    assert load(path / "summary.json")["samples"] == 11


def test_a_changed_manifest_is_told_as_such() -> None:
    path = run()
    whole = load(path / "run.json")
    for broken in ({"options": {}}, {"grader": 5, "options": {}}, {"grader": "exact", "options": None}):
        (path / "run.json").write_text(json.dumps({**whole, "resolved": broken}))
        failed = skillforge("grade", path)
        assert failed.code == 1 and "run.json: not a valid manifest" in failed.err


def test_rows_nested_too_deep_are_told_by_line() -> None:
    path = run()
    (path / "verdicts.jsonl").write_text('{"benchmark":' + "[" * 100_000 + "\n")
    failed = skillforge("grade", path, "--diff")
    assert failed.code == 1 and "verdicts.jsonl:1: not a valid row" in failed.err


def test_runs_of_other_problems_are_not_compared() -> None:
    path = run()
    rows = [
        {**row, "benchmark": "other"} for row in map(json.loads, (path / "verdicts.jsonl").read_text().splitlines())
    ]
    Path("other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    failed = skillforge("grade", "--diff", path, "other.jsonl")
    assert failed.code == 2 and "name two runs of the same problems" in failed.err


def test_a_diff_counts_verdicts_whose_samples_are_gone() -> None:
    path = run()
    samples = path / "samples.jsonl"
    samples.write_bytes(b"".join(samples.read_bytes().splitlines(keepends=True)[:-2]))
    assert json.loads(done("grade", path, "--diff", "--json").out)["only_old"] == 2
    samples.unlink()
    failed = skillforge("grade", path, "--diff")
    assert failed.code == 1 and "has no samples" in failed.err


def test_an_answer_that_was_tried_again_in_between_is_judged_again(scripted: dict[str, str]) -> None:
    path = run("-o", "backend.refuse=What is 0 ", "--limit", 3, "--concurrency", 1, code=3)
    cut_short(scripted, signal.SIGKILL)
    done("eval", "--resume", "run", "--retry-errors", "-o", "backend.refuse=x", "--quiet")
    Path("gate").touch()
    done(*gated())
    assert load(path / "summary.json")["error"] == 0
    assert keys(path / "verdicts.jsonl") == [("test-1", 0), ("test-2", 0), ("test-0", 0)]


def test_an_evaluation_killed_before_its_verdicts_judges_what_is_stored(scripted: dict[str, str]) -> None:
    options = (*UNRULY, "-o", "grader.gate=gate", "-o", "grader.journal=journal", "-o", "backend.journal=asked")
    with started(*SUMS, "--out", "run", *options, cwd=Path.cwd(), env=scripted) as process:
        samples = Path("run", "samples.jsonl")
        wait_for(lambda: samples.exists() and samples.read_bytes().count(b"\n") == 12, process)
    assert len(rows(Path("run", "verdicts.jsonl"))) <= 1
    Path("gate").touch()
    done("eval", "--resume", "run", "--quiet")
    assert sorted(keys(Path("run", "verdicts.jsonl"))) == sorted(keys(Path("run", "samples.jsonl")))
    assert len(rows(Path("asked"))) == 12, "nothing was asked twice"


def test_an_evaluation_is_stopped_at_once_while_its_grader_hangs(scripted: dict[str, str]) -> None:
    options = (*UNRULY, "-o", "grader.misdeed=spin", "-o", "grader.on=test-3", "-o", "grader.journal=journal")
    with started(*SUMS, "--out", "run", *options, cwd=Path.cwd(), env=scripted) as process:
        journal = Path("journal")
        wait_for(lambda: journal.exists() and "test-3" in journal.read_text(), process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)  # less than the limit of one sample
    assert process.returncode == 130 and "continue with: skillforge eval --resume" in errors
    (grader,) = {int(line.split()[1]) for line in journal.read_text().splitlines() if line.startswith("test-3 ")}
    with pytest.raises(ProcessLookupError):
        os.kill(grader, 0)


# Explained ----------------------------------------------------------------------------------------------------------


def test_a_verdict_is_explained_and_nothing_is_stored() -> None:
    path = run("--repeats", 2)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    shown = done("grade", "run", "--explain", "test-3").out
    assert shown.index("test-3/0") < shown.index("test-3/1")
    assert "What is 3 + 4?" in shown and re.search(r"expected +7", shown) and "scripted-number" in shown
    (one,) = json.loads(done("grade", "run", "--explain", "test-3/1", "--json").out)
    assert (one["problem_id"], one["sample_index"], one["expected_answer"]) == ("test-3", 1, "7")
    assert one["verdict"] == {name: one["stored"][name] for name in ("state", "answer", "reason")}
    assert one["context"].endswith(one["verdict"]["answer"])
    (step,) = one["steps"]
    assert (step["name"], step["outcome"], step["detail"]) == (
        "scripted-number",
        one["verdict"]["state"],
        "last number",
    )
    assert step["milliseconds"] > 0
    other = json.loads(done("grade", "run", "--explain", "test-3", "--grader", "scripted-lenient", "--json").out)
    assert [row["verdict"]["state"] for row in other] == ["correct", "correct"]
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_an_unknown_sample_is_refused_with_a_near_one() -> None:
    run()
    for wrong in ("test-33", "test-3/9", "\x1b[2J"):
        refused = skillforge("grade", "run", "--explain", wrong)
        assert refused.code == 2 and "has no sample" in refused.err and "\x1b[2J" not in refused.err
    assert "did you mean 'test-3'" in skillforge("grade", "run", "--explain", "test-33").err


def test_an_explanation_survives_its_grader_and_its_text() -> None:
    run("-o", "backend.style=\x1b[2J\u202e[red]", "-o", "backend.refuse=What is 4 ", code=3)
    options = (*UNRULY, "-o", "grader.misdeed=exit", "-o", "grader.on=test-3")
    shown = done("grade", "run", "--explain", "test-3", *options).out
    assert "ended the process with exit status 7" in shown
    shown = done("grade", "run", "--explain", "test-2").out
    assert "\x1b[2J" not in shown and "\u202e" not in shown and "[red]" in shown
    assert "HTTP 400" in done("grade", "run", "--explain", "test-4").out


# Compared -----------------------------------------------------------------------------------------------------------


def test_what_another_grader_would_change_is_listed_and_not_stored() -> None:
    path = run()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    wrong = [row for row in rows(path / "verdicts.jsonl") if row["state"] == "wrong"]
    found = json.loads(done("grade", "run", "--diff", "--grader", "scripted-lenient", "--json").out)
    assert {row["problem_id"] for row in found["changed"]} == {row["problem_id"] for row in wrong}
    assert found["transitions"] == {"wrong -> correct": len(wrong)}
    assert (found["compared"], found["other_answer"]) == (12, 12 - len(wrong))
    assert found["changed"][0]["old"]["reason"] == "last number"
    shown = done("grade", "run", "--diff", "--grader", "scripted-lenient").out
    assert wrong[0]["problem_id"] + "/0" in shown and re.search(r"wrong -> correct +" + str(len(wrong)), shown)
    assert json.loads(done("grade", "run", "--diff", "--json").out)["changed"] == []
    assert json.loads(done("grade", "run", "--diff", "-o", "grader.modulus=2", "--json").out)["changed"] == []
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_two_gradings_are_compared_as_runs_or_as_files() -> None:
    old, new = run(out="old"), run("--limit", 10, out="new")
    Path("kept.jsonl").write_bytes((new / "verdicts.jsonl").read_bytes())
    done("grade", "new", "--grader", "scripted-lenient")
    changed = sum(row["state"] == "wrong" for row in rows(Path("kept.jsonl")))
    for before in (old, old / "verdicts.jsonl"):
        found = json.loads(done("grade", "--diff", before, new, "--json").out)
        assert len(found["changed"]) == changed > 0
        assert (found["compared"], found["only_old"], found["only_new"]) == (10, 2, 0)
        assert all(int(row["expected_answer"]) % 2 == 1 for row in found["changed"])
    found = json.loads(done("grade", "--diff", "kept.jsonl", new / "verdicts.jsonl", "--json").out)
    assert len(found["changed"]) == changed and found["changed"][0]["expected_answer"] is None


def test_hostile_text_cannot_break_the_list() -> None:
    run()
    line = json.dumps(
        {**rows(Path("run/verdicts.jsonl"))[0], "state": "error", "answer": "\x1b[2J\u202e", "reason": "[red]"}
    )
    Path("odd.jsonl").write_text(line + "\n")
    shown = done("grade", "--diff", "odd.jsonl", "run").out
    assert "\x1b[2J" not in shown and "\u202e" not in shown and "[red]" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "run"), "name one run, or two with --diff"),
        (("--diff", "run", "run", "run"), "name one run, or two with --diff"),
        (("--diff", "run", "run", "--grader", "scripted-lenient"), "name one run"),
        (("run", "--diff", "--explain", "test-1"), "exclude each other"),
        ((), "Missing argument"),
        (("--diff", "run", "nowhere"), "nowhere is not a run"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], told: str) -> None:
    run()
    refused = skillforge("grade", *arguments)
    assert refused.code == 2 and told in refused.err


def test_a_file_without_verdicts_is_no_side_of_a_comparison() -> None:
    run()
    Path("empty.jsonl").write_text("")
    refused = skillforge("grade", "--diff", "run", "empty.jsonl")
    assert refused.code == 1 and "has no verdicts" in refused.err


# The policy behind a score ------------------------------------------------------------------------------------------


def test_a_score_says_who_judged_and_how() -> None:
    path = run("-o", "grader.modulus=5")
    assert "scripted-number 1.0, modulus=5" in (path / "report.md").read_text()
    shown = done("grade", "run", "--grader", "scripted-lenient").out
    assert re.search(r"judged by +scripted-lenient 1.0 *$", shown, re.MULTILINE)
    done("grade", "run", "--grader", "scripted-number", "-o", "grader.modulus=7")
    assert "scripted-number 1.0, modulus=7" in done("report", "run").out
    manifest = load(path / "run.json")
    assert manifest["identity"]["options"]["grader"] == {"id": "skillforge-scripted:scripted-number", "modulus": 7}


def test_a_benchmark_sets_options_of_its_own_grader_only() -> None:
    path = run("--benchmark", "judged-modulo")
    assert load(path / "run.json")["resolved"]["options"]["grader"] == {"modulus": 3}
    done("grade", "run", "-o", "grader.modulus=7")
    assert "modulus=7" in (path / "report.md").read_text()
    done("grade", "run", "--grader", "scripted-lenient")
    assert "modulus" not in (path / "report.md").read_text()
    done("grade", "run", "--grader", "scripted-number")
    assert load(path / "run.json")["resolved"]["options"]["grader"] == {"modulus": 3}
    other = run("--benchmark", "judged-modulo", "--grader", "scripted-splitter", out="other")
    assert load(other / "run.json")["resolved"]["options"]["grader"] == {"modulus": None}
    wins = run("--benchmark", "judged-modulo", "-o", "grader.modulus=none", out="wins")
    assert load(wins / "run.json")["resolved"]["options"]["grader"] == {"modulus": None}
    assert "modulus" in done("plugins", "show", "judged-modulo").out
