"""`skillforge eval --cache` and `skillforge cache`."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, separately, skillforge, started

pytestmark = pytest.mark.usefixtures("scripted")

SUMS = ("eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--cache", "cache")
DATABASE = Path("cache") / "completions.sqlite"


def samples(run: str | Path) -> list[dict[str, Any]]:
    rows = map(json.loads, (Path(run) / "samples.jsonl").read_text().splitlines())
    return sorted(rows, key=lambda row: (row["problem"]["id"], row["sample_index"]))


def texts(run: str | Path) -> list[str]:
    return [row["transcript"]["segments"][-1]["text"] for row in samples(run)]


class Runs:
    """Runs that share the cache in the current folder; each tells how many requests reached the model."""

    def __init__(self) -> None:
        self.count = 0
        self.ended: Ended

    def __call__(self, *more: object) -> int:
        self.count += 1
        journal = Path(f"journal-{self.count}")
        self.ended = skillforge(*SUMS, "--out", f"run-{self.count}", "-o", f"backend.journal={journal}", *more)
        assert self.ended.code == 0, self.ended.err
        return len(journal.read_text().splitlines()) if journal.exists() else 0


@pytest.fixture
def run() -> Runs:
    return Runs()


def test_a_second_run_asks_nothing_and_finds_the_same(run: Runs) -> None:
    assert run() == 12
    assert "of 12 completions, 0 came from the cache in cache; 12 were added" in run.ended.err
    assert run() == 0
    assert "of 12 completions, 12 came from the cache in cache; 0 were added" in run.ended.err
    assert texts("run-1") == texts("run-2")
    assert [row["completion_tokens"] for row in samples("run-2")] == [5] * 12
    assert all(row["latency"] > 0 and "attempts" not in row for row in samples("run-1"))
    assert all("latency" not in row and row["attempts"] == 0 for row in samples("run-2"))
    assert json.loads(Path("run-2/summary.json").read_text())["latency"] is None
    assert run("--shuffle", 1, "--concurrency", 1, "-o", "backend.latency=0.001") == 0


def test_without_the_option_nothing_is_kept() -> None:
    assert skillforge(*SUMS[:-2], "--quiet").code == 0
    assert not DATABASE.exists()


def test_only_what_is_missing_is_asked(run: Runs) -> None:
    assert run("--limit", 4) == 4
    assert run() == 8
    assert run("-o", "benchmark.count=15") == 3


@pytest.mark.parametrize(
    "change",
    [("-o", "backend.style=grave"), ("--max-tokens", 9), ("--stop", "x"), ("-o", "prompt.preamble=Do add!")],
    ids=lambda change: change[0] + str(change[1]),
)
def test_what_changes_answers_is_asked_anew(run: Runs, change: tuple[object, ...]) -> None:
    run()
    assert run(*change) == 12
    assert run(*change) == run() == 0


def test_samples_with_seeds_are_kept_each(run: Runs) -> None:
    assert run("--repeats", 3, "--seed", 1) == 36
    assert run("--repeats", 4, "--seed", 1) == 12
    assert run("--repeats", 3, "--seed", 2) == 36
    assert texts("run-1") == [text for number, text in enumerate(texts("run-2")) if number % 4 < 3]


def test_samples_without_seeds_are_drawn_anew_and_this_is_said(run: Runs) -> None:
    assert run("--temperature", 0.7) == run("--temperature", 0.7) == 12
    assert "nothing was cached: without a seed, samples are drawn anew each time (set --seed" in run.ended.err


def test_samples_in_error_are_not_kept(run: Runs) -> None:
    assert skillforge(*SUMS, "--out", "failed", "-o", "backend.refuse=What is 3 ", "--quiet").code == 3
    assert run() == 1


def test_a_run_is_continued_with_its_cache(run: Runs) -> None:
    run()
    ended = skillforge(*SUMS, "--out", "stopped", "-o", "backend.hang_after=0", "--limit", 5, "--quiet")
    assert ended.code == 0, ended.err
    stored = json.loads(Path("stopped/run.json").read_text())["settings"]["cache"]
    assert stored == str(Path("cache").absolute())  # it may be continued from another folder


def test_processes_share_a_cache(scripted: dict[str, str], tmp_path: Path, run: Runs) -> None:
    work = ("-o", "benchmark.count=60", "--quiet")
    with (
        started(*SUMS, *work, "--out", "a", cwd=tmp_path, env=scripted) as first,
        started(*SUMS, *work, "--out", "b", "--limit", 40, cwd=tmp_path, env=scripted) as second,
    ):
        errors = first.communicate(timeout=120)[1] + second.communicate(timeout=120)[1]
    assert (first.returncode, second.returncode) == (0, 0), errors
    assert run("-o", "benchmark.count=60") == 0
    assert texts("run-1") == texts("a") and set(texts("b")) < set(texts("a"))


def test_a_killed_run_leaves_what_it_had_kept(scripted: dict[str, str], tmp_path: Path, run: Runs) -> None:
    work = ("-o", "benchmark.count=200", "-o", "backend.latency=0.02", "--concurrency", 2, "--quiet")
    with started(*SUMS, *work, "--out", "killed", cwd=tmp_path, env=scripted) as process:
        while process.poll() is None and _entries() < 20:
            time.sleep(0.02)
        process.kill()
    kept = _entries()
    assert 20 <= kept < 200
    assert run("-o", "benchmark.count=200") == 200 - kept


def _entries() -> int:
    """Completions in the cache; 0 while there is none."""
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(_connect()) as connection:
        return int(connection.execute("SELECT count(*) FROM completions").fetchone()[0])
    return 0


def _connect() -> sqlite3.Connection:
    return sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)


# What is wrong with the folder ----------------------------------------------------------------------------------------


def refused() -> Ended:
    """A run whose cache cannot be used: it ends in one line, before anything is asked."""
    ended = skillforge(*SUMS, "-o", "backend.journal=journal", "--quiet")
    assert ended.code in (1, 2) and ended.err.startswith("Error: ") and ended.err.count("\n") == 1, ended.err
    assert not Path("journal").exists() and not list(Path("runs").glob("*"))
    return ended


def test_a_damaged_cache_is_told_before_anything_is_asked(run: Runs) -> None:
    run()
    DATABASE.write_bytes(b"\0" * 100 + DATABASE.read_bytes()[100:])
    assert "completions.sqlite is damaged or no cache (file is not a database); delete cache/" in refused().err
    for command in ("stats", "clear"):
        ended = skillforge("cache", command, "--cache", "cache")
        assert ended.code == 1 and "is damaged or no cache" in ended.err


def test_pages_that_are_damaged_cost_no_sample(run: Runs) -> None:
    work = ("-o", "benchmark.count=50", "-o", "backend.padding=3000")
    run(*work)
    content = DATABASE.read_bytes()
    whole = 7 * 4096  # where the tables begin
    DATABASE.write_bytes(content[:whole] + b"\xff" * (len(content) - whole))
    assert run(*work) == 50
    assert texts("run-2") == texts("run-1")
    assert run.ended.err.count("nothing more was") >= 1


def test_a_file_in_place_of_the_folder_is_refused() -> None:
    Path("cache").touch()
    assert "cannot write the cache folder cache: File exists; name another folder with --cache" in refused().err


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system of its own at `folder`."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user cannot mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_folder_that_is_read_only_is_refused() -> None:
    Path("cache").mkdir()
    with mounted(Path("cache"), "ro"):
        assert "cannot write the cache folder cache: Read-only file system" in refused().err


def test_a_full_disk_ends_caching_and_not_the_run(run: Runs) -> None:
    Path("cache").mkdir()
    with mounted(Path("cache"), "size=256k"):
        work = ("-o", "benchmark.count=60", "-o", "backend.padding=9000")
        assert run(*work) == 60
        assert run.ended.err.count("nothing more was added to the cache in cache: ") == 1
        assert run(*work) > 0
    assert len(texts("run-1")) == 60 and texts("run-1") == texts("run-2")


# With a server --------------------------------------------------------------------------------------------------------


def test_no_request_reaches_the_same_server_again_and_another_server_is_asked() -> None:
    pytest.importorskip("skillforge_openai")
    with mock_server() as first, mock_server() as second:
        for address, seen in ((first, 12), (first, 12), (second, 12)):
            ended = skillforge(
                "eval", "--benchmark", "scripted-sums", "--base-url", f"{address}/v1", "--model", "mock", "--cache", "cache",
                "--quiet",
            )  # fmt: skip
            assert ended.code == 0, ended.err
            with urllib.request.urlopen(f"{address}/stats") as answer:
                assert json.load(answer)["200"] == seen
    found = json.loads(skillforge("cache", "stats", "--cache", "cache", "--json").out)
    assert [(origin["place"], origin["hits"]) for origin in found["origins"]] == sorted(
        [(f"{first}/v1", 12), (f"{second}/v1", 0)]
    )


@contextlib.contextmanager
def mock_server() -> Iterator[str]:
    """The address of a mock server."""
    import sys

    script = Path(__file__).parents[2] / "bench" / "mock_server.py"
    with subprocess.Popen([sys.executable, script, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.kill()


# skillforge cache -----------------------------------------------------------------------------------------------------


def test_stats_tell_what_is_there(run: Runs) -> None:
    run()
    run("--repeats", 2, "--seed", 1)
    run("--repeats", 2, "--seed", 1)
    found = json.loads(skillforge("cache", "stats", "--cache", "cache", "--json").out)
    assert (found["entries"], found["hits"]) == (36, 24) and found["bytes"] == DATABASE.stat().st_size
    (origin,) = found["origins"]
    assert (origin["model"], origin["backend"]) == ("scripted-model", "skillforge-scripted:scripted")
    assert origin["oldest"] <= origin["newest"] <= time.time()
    shown = skillforge("cache", "stats", "--cache", "cache").out
    assert "cache: 36 completions, " in shown and " on disk, used 24 times" in shown and "scripted-model" in shown


def clear(*options: object) -> str:
    ended = skillforge("cache", "clear", "--cache", "cache", "--yes", *options)
    assert ended.code == 0, ended.err
    return ended.out.strip()


def test_clear_deletes_what_is_chosen(run: Runs) -> None:
    run("-o", "backend.padding=2000")
    size = DATABASE.stat().st_size
    assert clear("--older-than", "1m") == "0 completions deleted"
    with contextlib.closing(sqlite3.connect(DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE completions SET created = created - 7200 WHERE rowid <= 5")
    assert clear("--older-than", "3h") == "0 completions deleted"
    assert clear("--older-than", "1h", "--model", "scripted-model") == "5 completions deleted"
    assert run("-o", "backend.padding=2000") == 5
    assert clear() == "12 completions deleted"
    assert DATABASE.stat().st_size < size
    assert run("-o", "backend.padding=2000") == 12
    assert "used 0 times" in skillforge("cache", "stats", "--cache", "cache").out  # and no more as often as before


def test_clear_asks_first(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    run()
    for answer, code, told, left in (
        ("n\n", 0, "0 completions deleted", 0),
        ("", 2, "there is nobody to ask, so nothing was deleted; give --yes", 0),
        ("y\n", 0, "12 completions deleted", 12),
    ):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        ended = skillforge("cache", "clear", "--cache", "cache")
        assert ended.code == code and "Delete 12 completions from cache?" in ended.out and told in ended.out + ended.err
        assert run() == left


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("stats", "--cache", "nothing"), "there is no cache in nothing; name the folder"),
        (("clear", "--cache", "nothing"), "there is no cache in nothing; name the folder"),
        (("clear", "--cache", "cache", "--model", "scripted-modell"), "did you mean 'scripted-model'?"),
        (("clear", "--cache", "cache", "--older-than", "3 days"), "write it like --older-than 30d"),
    ],
    ids=["stats-of-nothing", "clear-nothing", "unknown-model", "age"],
)
def test_wrong_usage_is_told(run: Runs, options: tuple[str, ...], message: str) -> None:
    run()
    ended = skillforge("cache", *options)
    assert ended.code == 2 and message in ended.err


def test_a_run_goes_on_while_its_cache_is_cleared(scripted: dict[str, str], tmp_path: Path) -> None:
    work = ("-o", "benchmark.count=100", "-o", "backend.latency=0.02", "--concurrency", 2)
    with started(*SUMS, *work, "--out", "run", cwd=tmp_path, env=scripted) as process:
        while process.poll() is None and _entries() < 10:
            time.sleep(0.02)
        cleared = separately("cache", "clear", "--cache", "cache", "--yes", cwd=tmp_path, env=scripted)
        _, errors = process.communicate(timeout=120)
    assert (cleared.code, process.returncode) == (0, 0), errors
    assert "100 were added" in errors and "nothing more" not in errors
    assert 0 < _entries() < 100
