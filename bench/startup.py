"""Start-up: CPU seconds of commands that must be instant, beside a bare interpreter.

python bench/startup.py [--rounds 9]
"""

from __future__ import annotations

import statistics
import sys

from common import measure, parse_arguments, require, skillforge


def main() -> None:
    rounds = parse_arguments(__doc__, rounds=9).rounds
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "skillforge --version": skillforge("--version"),
        "skillforge --help": skillforge("--help"),
        "skillforge eval --help": skillforge("eval", "--help"),
        "skillforge plugins list": skillforge("plugins", "list"),
    }
    for name, command in commands.items():
        require(measure(command))  # warms the disk cache
        runs = [require(measure(command)) for _ in range(rounds)]
        cpu, wall = (statistics.median(values) for values in zip(*((run.cpu, run.wall) for run in runs), strict=True))
        print(f"{name:26} {cpu:6.3f} CPU-s {wall:6.3f} s")


if __name__ == "__main__":
    main()
