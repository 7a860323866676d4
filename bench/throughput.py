"""Throughput of the whole command `skillforge eval` against a mock server with a fixed latency of 100 ms.

    python bench/throughput.py [--rounds 3]

Each row is the median of the rounds: wall and CPU seconds of the whole process, start-up included, with live progress
on and everything stored and graded; beside it a bare aiohttp client in the same run. The last row adds faults: 5 % of
answers are 429 and 5 % are dropped connections.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from common import HERE, Measured, evaluation, measure, mock_server, parse_arguments, require, write_problems

CASES = ((1000, 100, ()), (5000, 500, ()), (1000, 100, ("--rate-429", "0.05", "--rate-drop", "0.05", "--seed", "1")))


def main() -> None:
    rounds = parse_arguments(__doc__, rounds=3).rounds
    ours_columns = f"{'wall s':>6} {'CPU s':>6} {'MB':>5}"
    print(f"{'problems':>8} {'in flight':>9} {'faults':>6} | {ours_columns} | {'bare wall':>9} {'bare CPU':>8}")
    for count, concurrency, faults in CASES:
        runs = [_round(count, concurrency, faults) for _ in range(rounds)]
        ours = _median([run for run, _ in runs])
        bare = _median([client for _, client in runs if client]) if not faults else None
        beside = f"{bare.wall:9.2f} {bare.cpu:8.2f}" if bare else f"{'–':>9} {'–':>8}"
        share = "10 %" if faults else "none"
        print(f"{count:8} {concurrency:9} {share:>6} | {ours.wall:6.2f} {ours.cpu:6.2f} {ours.peak_mb:5.0f} | {beside}")


def _round(count: int, concurrency: int, faults: tuple[str, ...]) -> tuple[Measured, Measured | None]:
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", "0.1", *faults) as base_url:
        folder = Path(name)
        write_problems(folder, count)
        out = folder / "run"
        command = evaluation(folder, base_url, out, "--concurrency", str(concurrency))
        ours = require(measure(command, terminal=True))
        _check(out, count)
        if faults:
            return ours, None
        problems = str(folder / "gsm8k" / "test.jsonl")
        client = [sys.executable, str(HERE / "bare_client.py"), base_url, problems, str(concurrency)]
        return ours, require(measure(client))


def _check(out: Path, count: int) -> None:
    """Nothing is lost: every problem has its sample and its verdict, and none is in error."""
    summary = json.loads((out / "summary.json").read_bytes())
    lines = [len((out / name).read_bytes().splitlines()) for name in ("samples.jsonl", "verdicts.jsonl")]
    if (summary["samples"], summary["error"], *lines) != (count, 0, count, count):
        sys.exit(f"samples were lost: {summary['samples']} of {count}, {summary['error']} in error, rows {lines}")


def _median(runs: list[Measured]) -> Measured:
    """The run of median wall time."""
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]


if __name__ == "__main__":
    main()
