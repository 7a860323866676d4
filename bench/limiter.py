"""What the adaptive number of requests in flight reaches of the best fixed number, on simulated servers.

    python bench/limiter.py [--requests 5000 50000]

No wall time is in it: the same figures come on every machine. For each server the best of the fixed numbers 1, 2, 3, 4,
6, 8 … 2048 is found. Beside it stands what the adaptive limit reaches of its throughput: over the whole run, start
included, and over the second half, when it has found its place; and the share of requests that were turned away.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from simulated_server import SERVERS, Course, SimulatedServer, simulate

from skillforge.rollout.limiter import CEILING

FIXED = sorted({number for power in range(12) for number in (2**power, 3 * 2**power // 2) if number <= CEILING})


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, nargs="+", default=[5000, 50_000], help="default: %(default)s")
    columns = f"{'limit':>5} {'whole run':>9} {'2nd half':>8} {'429s':>6}"
    print(f"{'server':24} {'requests':>8} | {'best fixed':>10} {'per s':>7} | {columns}")
    for requests in parser.parse_args().requests:
        for name, server in SERVERS.items():
            number, best = _best_fixed(server, requests)
            found = simulate(server, None, requests)
            whole, half = found.rate() / best.rate(), found.rate(0.5) / best.rate(0.5)
            limit = round(median(found.limits[requests // 2 :]))
            print(
                f"{name:24} {requests:8} | {number:10} {best.rate():7.1f} | {limit:5} {whole:9.0%} {half:8.0%}"
                f" {found.turned_away / requests:6.1%}",
                flush=True,
            )


def _best_fixed(server: SimulatedServer, requests: int) -> tuple[int, Course]:
    """The fixed number with which a run is done first, the least of those that are within a hundredth of it."""
    courses = {number: simulate(server, number, requests) for number in FIXED if number <= requests}
    most = max(course.rate() for course in courses.values())
    number = min(number for number, course in courses.items() if course.rate() >= 0.99 * most)
    return number, courses[number]


if __name__ == "__main__":
    main()
