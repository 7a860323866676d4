"""Peak memory of `skillforge eval` at 1,000 and at 100,000 problems, everything stored and graded.

python bench/memory.py [--large 100000]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from common import measure, mock_server, require, skillforge, write_problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=100_000)
    small, large = _peak(1_000), _peak(parser.parse_args().large)
    print(f"ratio {large / small:.2f}")


def _peak(count: int) -> float:
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", "0.01") as base_url:
        write_problems(Path(name), count)
        command = skillforge(
            "eval", "--benchmark", "gsm8k", "--data-dir", name, "--base-url", base_url, "--model", "mock",
            "--concurrency", "64", "--out", str(Path(name) / "run"),
        )  # fmt: skip
        run = require(measure(command), 0)
    a_sample = 1000 * run.cpu / count
    print(
        f"{count:7} problems: {run.peak_mb:6.1f} MB, {run.wall:6.1f} s, {run.cpu:6.1f} CPU-s ({a_sample:.2f} ms a sample)"
    )
    return run.peak_mb


if __name__ == "__main__":
    main()
