"""What only a process of its own shows: signals, kills, locks, and a disk that is full."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Ended, separately, started

SUMS = ("eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--seed", 1, "--quiet")


def wait_for(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    """Until `path` has `size` bytes, or the process has ended."""
    while process.poll() is None and not (path.exists() and path.stat().st_size >= size):
        time.sleep(0.005)


def facts(run: Path) -> list[tuple[str, int, str, int]]:
    return sorted(
        (row["problem"]["id"], row["sample_index"], row["transcript"]["segments"][-1]["text"], row["seed"])
        for row in map(json.loads, (run / "samples.jsonl").read_text().splitlines())
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_with_a_run_to_continue(
    scripted: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    arguments = (*SUMS, "-o", "backend.hang_after=8", "-o", "backend.padding=9000", "--concurrency", 2)
    with started(*arguments, "--out", "run", cwd=tmp_path, env=scripted) as process:
        wait_for(tmp_path / "run" / "samples.jsonl", 1, process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)  # the rest of the answers would never come
    assert process.returncode == 130, errors
    assert (
        f"stopped by {number.name}; all finished samples are stored; continue with: skillforge eval --resume" in errors
    )
    assert "continue with: skillforge eval --resume run" in errors and "Traceback" not in errors
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "interrupted"
    assert len(facts(tmp_path / "run")) == 8
    ended = separately(
        "eval", "--resume", "run", "-o", "backend.hang_after=null", "--quiet", cwd=tmp_path, env=scripted
    )
    assert ended.code == 0, ended.err
    assert len(facts(tmp_path / "run")) == 12


def test_stopped_before_the_first_answer_nothing_is_left(scripted: dict[str, str], tmp_path: Path) -> None:
    arguments = (*SUMS, "-o", "backend.hang_after=0", "-o", "backend.journal=journal", "--out", "run")
    with started(*arguments, cwd=tmp_path, env=scripted) as process:
        wait_for(tmp_path / "journal", 1, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert not (tmp_path / "run").exists()


def test_killed_at_random_moments_and_resumed_it_is_the_uninterrupted_run(
    scripted: dict[str, str], tmp_path: Path
) -> None:
    """Each kill comes when the file has reached a random size; then a random number of bytes is torn off as well."""
    work = (
        *SUMS, "--repeats", 2, "-o", "benchmark.count=60", "-o", "backend.padding=6000", "-o", "backend.latency=0.01",
        "--concurrency", 3,
    )  # fmt: skip
    whole = separately(*work, "--out", "whole", cwd=tmp_path, env=scripted)
    assert whole.code == 0, whole.err
    size = (tmp_path / "whole" / "samples.jsonl").stat().st_size
    samples = tmp_path / "run" / "samples.jsonl"
    chance = random.Random(7)
    kills = 0
    for goal in sorted(chance.uniform(0, 0.9) * size for _ in range(4)):
        with started(*work, "--out", "run", cwd=tmp_path, env=scripted) as process:
            wait_for(samples, int(goal), process)
            time.sleep(chance.uniform(0, 0.05))
            kills += process.poll() is None
            process.kill()
            process.communicate()
        if samples.exists() and chance.random() < 0.5:
            content = samples.read_bytes()
            samples.write_bytes(content[: max(0, len(content) - chance.randrange(8000))])
    ended = separately("eval", "--resume", "run", "--quiet", cwd=tmp_path, env=scripted)
    assert ended.code == 0, ended.err
    assert kills >= 2
    assert facts(tmp_path / "run") == facts(tmp_path / "whole")
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("run", "whole")]
    for what in ("accuracy", "pass_at", "maj_at", "samples", "subsets", "tokens"):
        assert summaries[0][what] == summaries[1][what]


def test_a_run_in_use_is_refused_with_the_id_of_who_uses_it(scripted: dict[str, str], tmp_path: Path) -> None:
    arguments = (*SUMS, "-o", "backend.hang_after=0", "-o", "backend.journal=journal", "--out", "run")
    with started(*arguments, cwd=tmp_path, env=scripted) as process:
        wait_for(tmp_path / "journal", 1, process)
        for command in (arguments, ("eval", "--resume", "run"), ("grade", "run")):
            ended = separately(*command, cwd=tmp_path, env=scripted)
            assert ended.code == 1 and f"in use by process {process.pid}" in ended.err, ended.err


@contextlib.contextmanager
def tiny_disk(folder: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_cleanly_and_the_run_goes_on_with_more_room(scripted: dict[str, str], tmp_path: Path) -> None:
    def evaluate(*arguments: object) -> Ended:
        return separately(*arguments, cwd=tmp_path, env=scripted)

    work = (*SUMS, "-o", "benchmark.count=60", "-o", "backend.padding=3000", "-o", "backend.latency=0.001")
    whole = evaluate(*work, "--out", "whole")
    assert whole.code == 0, whole.err
    with tiny_disk(tmp_path / "disk") as disk:
        (disk / "ballast").write_bytes(b"x" * 400_000)
        ended = evaluate(*work, "--out", disk / "run")
        assert ended.code == 1 and "No space left on device; free space" in ended.err, ended.err
        assert "Traceback" not in ended.err and ended.err.count("\n") <= 2
        kept = (disk / "run" / "samples.jsonl").read_bytes()
        assert kept.endswith(b"\n")
        (disk / "ballast").unlink()
        ended = evaluate("eval", "--resume", disk / "run", "--quiet")
        assert ended.code == 0, ended.err
        assert (disk / "run" / "samples.jsonl").read_bytes().startswith(kept)
        assert facts(disk / "run") == facts(tmp_path / "whole")


def test_output_into_a_closed_pipe_is_no_fault(scripted: dict[str, str], tmp_path: Path) -> None:
    assert separately(*SUMS, "-o", "benchmark.count=300", "--out", "run", cwd=tmp_path, env=scripted).code == 0
    with started("export", "run", cwd=tmp_path, env=scripted) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_terminal_without_unicode_is_served(scripted: dict[str, str], tmp_path: Path) -> None:
    assert separately(*SUMS, "--out", "run", cwd=tmp_path, env=scripted).code == 0
    ended = separately("report", "run", cwd=tmp_path, env={**scripted, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert (ended.code, ended.err) == (0, "")
    assert "accuracy" in ended.out


def test_a_second_signal_changes_nothing(scripted: dict[str, str], tmp_path: Path) -> None:
    arguments = (*SUMS, "-o", "backend.hang_after=8", "-o", "backend.padding=9000", "--concurrency", 2)
    with started(*arguments, "--out", "run", cwd=tmp_path, env=scripted) as process:
        wait_for(tmp_path / "run" / "samples.jsonl", 1, process)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors and "continue with" in errors
