"""Kills `skillforge eval` with SIGKILL at random moments, resumes it, and compares the samples with an uninterrupted run.

python bench/kill_resume.py [--kills 20] [--seed 0]
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import evaluation, measure, mock_server, parse_arguments, require, write_problems

PROBLEMS, REPEATS = 400, 2


def main() -> None:
    given = parse_arguments(__doc__, kills=20, seed=0)
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", "0.05") as base_url:
        folder = Path(name)
        write_problems(folder, PROBLEMS)
        settings = ("--repeats", str(REPEATS), "--seed", "1", "--concurrency", "16", "--quiet")
        whole = require(measure(evaluation(folder, base_url, folder / "whole", *settings)))
        wanted = _samples(folder / "whole")
        for number in range(given.kills):
            out = folder / f"killed-{number}"
            command = evaluation(folder, base_url, out, *settings)
            stored = _kill_once(command, rng.uniform(0.0, whole.wall), out)
            require(measure(command))
            if _samples(out) != wanted:
                sys.exit(f"kill {number}: the samples differ from an uninterrupted run")
            print(
                f"kill {number + 1:2}: {stored:4} of {len(wanted)} rows were stored; after resuming all {len(wanted)} are equal"
            )


def _kill_once(command: list[str], after: float, out: Path) -> int:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    process.wait()
    path = out / "samples.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _samples(out: Path) -> list[tuple[object, ...]]:
    """What the samples say, without times; sorted, since the order in which they end is no part of the result."""
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    return sorted(
        (row["problem"]["id"], row["sample_index"], row["seed"], json.dumps(row["transcript"]), row["finish_reason"])
        for row in rows
    )


if __name__ == "__main__":
    main()
