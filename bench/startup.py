"""Start-up: CPU seconds of commands that must be instant, beside a bare interpreter.

python bench/startup.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import statistics
import sys

from common import measure, require, skillforge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "skillforge --version": skillforge("--version"),
        "skillforge --help": skillforge("--help"),
        "skillforge eval --help": skillforge("eval", "--help"),
        "skillforge plugins list": skillforge("plugins", "list"),
    }
    for name, command in commands.items():
        require(measure(command), 0)  # warms the disk cache
        runs = [require(measure(command), 0) for _ in range(rounds)]
        cpu, wall = (statistics.median(values) for values in zip(*((run.cpu, run.wall) for run in runs), strict=True))
        print(f"{name:26} {cpu:6.3f} CPU-s {wall:6.3f} s")


if __name__ == "__main__":
    main()
