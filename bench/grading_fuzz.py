"""Looks for pairs of answers on which the maths grader and sympy disagree.

    python bench/grading_fuzz.py [--pairs 20000] [--seed N] [--only NUMBER]

Sympy makes each pair from a random object: an expression, set, interval, tuple or matrix, with another form of it, or with
one leaf changed. It says whether they are equal by values of 120 digits, prints both, and never sees our reading of them. It
works in a process of its own, which is replaced when a pair takes more than 10 seconds. Contradictions are printed, and end the
command with exit code 1; pairs that the grader leaves undecided are printed if they are equal.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import sympy_oracle
from sympy_oracle import Pair

from skillforge_math_grader import check

PATIENCE_SECONDS = 10.0


def main() -> int:
    arguments = _arguments()
    numbers = range(arguments.only, arguments.only + 1) if arguments.only is not None else range(arguments.pairs)
    outcomes: collections.Counter[str] = collections.Counter()
    wrong, slowest, began = 0, 0.0, time.monotonic()
    for number, pair in _pairs(arguments.seed, numbers):
        if pair is None or pair.equal is None:
            outcomes["sympy could not tell" if pair else "sympy took too long"] += 1
            continue
        verdict = check(pair.gold, pair.pred)
        slowest = max(slowest, verdict.milliseconds)
        outcomes[f"{'equal' if pair.equal else 'different'}, judged {verdict.outcome}"] += 1
        wrong += verdict.outcome != "undecided" and verdict.equal != pair.equal
        if verdict.equal != pair.equal or arguments.only is not None:
            print(f"{number}: sympy says {'equal' if pair.equal else 'different'}, the grader {verdict}")
            print(f"    gold       {pair.gold}\n    prediction {pair.pred}", flush=True)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:8,}  {outcome}")
    seconds = time.monotonic() - began
    print(f"seed {arguments.seed}: {wrong} contradictions, slowest pair {slowest:.0f} ms, {seconds:.0f} s in all")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_000, help="how many (default: 20000)")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="which list of pairs (default: another each time)"
    )
    parser.add_argument("--only", type=int, metavar="NUMBER", help="only this pair of the list, with its verdict")
    return parser.parse_args()


def _pairs(seed: int, numbers: range) -> Iterator[tuple[int, Pair | None]]:
    """Each number with its pair, or with None where sympy found no end."""
    context = multiprocessing.get_context("spawn")
    while numbers:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_make, args=(seed, numbers, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            while numbers and ours.poll(PATIENCE_SECONDS):
                yield numbers[0], ours.recv()
                numbers = numbers[1:]
        except EOFError:
            pass
        process.kill()
        process.join()
        if numbers:
            yield numbers[0], None
            numbers = numbers[1:]


def _make(seed: int, numbers: range, results: Connection) -> None:
    for number in numbers:
        results.send(sympy_oracle.pair(seed, number))


if __name__ == "__main__":
    sys.exit(main())
