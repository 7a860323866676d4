"""Peak memory of `skillforge eval` at 1,000 and at 100,000 problems, everything stored and graded.

python bench/memory.py [--large 100000]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import evaluation, measure, mock_server, parse_arguments, require, write_problems


def main() -> None:
    many = parse_arguments(__doc__, large=100_000).large
    small, large = _peak(1_000), _peak(many)
    print(f"ratio {large / small:.2f}")


def _peak(count: int) -> float:
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", "0.01") as base_url:
        folder = Path(name)
        write_problems(folder, count)
        command = evaluation(folder, base_url, folder / "run", "--concurrency", "64")
        run = require(measure(command))
    a_sample = 1000 * run.cpu / count
    print(
        f"{count:7} problems: {run.peak_mb:6.1f} MB, {run.wall:6.1f} s, {run.cpu:6.1f} CPU-s ({a_sample:.2f} ms a sample)"
    )
    return run.peak_mb


if __name__ == "__main__":
    main()
