"""How often graders of mathematics are right, and how fast: ours, math-verify and the rules of PRM800K, over the same pairs.

    python bench/grading.py [--pairs 4000] [--file PAIRS.jsonl] [--json]
    python bench/grading.py --memory 1000000

Pairs are made up with a fixed seed (half like GSM8K's, half like MATH's), or read from a file: one JSON object a line with
`gold`, `pred`, `expected`, and `kind` (`answer`, or `response` for a text that holds the answer). Each grader takes all pairs
in the same order, alone, in a process of its own; that of math-verify has an environment of its own (bench/.peers/math-verify,
made once). A pair that takes 20 s ends its process, and counts as undecided. `--memory` tells how much memory our grader holds
over so many pairs.

Accuracy counts an undecided pair as "different". CPU seconds are those spent on the verdicts, in all processes of the grader.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import platform
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from common import HERE
from grading_pairs import Pair, made_up_pairs

WORKER = HERE / "grading_worker.py"
ENVIRONMENT = HERE / ".peers" / "math-verify"
PACKAGES = ("math-verify[antlr4-13-2]>=0.9",)
MADE_UP = 4000
CAP_SECONDS = 20.0
NAMES = {"skillforge": "skillforge", "math-verify": "math-verify", "prm800k": "PRM800K rules"}


class Graded(NamedTuple):
    """The verdict on a pair (`equal`, `different`, `undecided`, `killed` or `error: …`), wall milliseconds and CPU seconds."""

    outcome: str
    milliseconds: float
    cpu: float


def main() -> None:
    arguments = _arguments()
    if arguments.memory:
        _tell_memory(arguments.memory)
        return
    source = _read(arguments.file) if arguments.file else made_up_pairs()
    pairs = list(itertools.islice(source, arguments.pairs or (None if arguments.file else MADE_UP)))
    _make_environment()
    rows = []
    for name in NAMES:
        results, growth_mb = _grade_all(name, pairs)
        rows += _summaries(NAMES[name], pairs, results, growth_mb)
    machine = f"{time.strftime('%Y-%m-%d')}, {_processor()}, Python {platform.python_version()}"
    if arguments.json:
        print(json.dumps({"machine": machine, "pairs": len(pairs), "rows": rows}, indent=2))
    else:
        _print_table(rows, machine)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, help="only so many (default: 4000 made-up ones, or all of the file)")
    parser.add_argument("--file", type=Path, help="pairs as JSON lines, also gzipped")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--memory", type=int, metavar="N", help="show the memory of our grader over N made-up pairs")
    return parser.parse_args()


def _read(path: Path) -> Iterator[Pair]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as stream:
        for line in stream:
            row = json.loads(line)
            yield Pair(row["gold"], row["pred"], row["expected"], row.get("kind", "answer"), path.name)


def _make_environment() -> None:
    python = _python_of("math-verify")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def _python_of(grader: str) -> str:
    return str(ENVIRONMENT / "bin" / "python") if grader == "math-verify" else sys.executable


class Worker:
    """A grader's process: asked for one verdict at a time, and replaced when it takes too long or dies."""

    def __init__(self, grader: str) -> None:
        self._grader = grader
        self.growth_mb = 0.0
        self._start()

    def grade(self, pair: Pair) -> Graded:
        started = time.perf_counter()
        request = {"gold": pair.gold, "pred": pair.pred, "kind": pair.kind}
        reply = self._ask(json.dumps(request))
        if reply is None:
            cpu = self.stop() - self._cpu
            self._start()
            return Graded("killed", (time.perf_counter() - started) * 1000, cpu)
        cpu = reply["cpu"] + reply["children_cpu"] - self._children_cpu
        self._note(reply)
        return Graded(reply["outcome"], reply["milliseconds"], cpu)

    def stop(self) -> float:
        """End the process and those below it; returns the CPU seconds of its life."""
        assert self._process.stdin is not None and self._process.stdout is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._process.stdin.close()
        self._process.stdout.close()
        return usage.ru_utime + usage.ru_stime

    def _start(self) -> None:
        command = [_python_of(self._grader), str(WORKER), self._grader]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        greeting = self._reply(timeout=120)
        if greeting is None:
            self.stop()
            sys.exit(f"the process of {self._grader} did not start; what it said is above")
        self._first_mb = greeting["peak_mb"]
        self._note(greeting)

    def _note(self, reply: dict[str, Any]) -> None:
        self._cpu, self._children_cpu = reply["total_cpu"], reply["children_cpu"]
        self.growth_mb = max(self.growth_mb, reply["peak_mb"] - self._first_mb)

    def _ask(self, request: str) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request.encode() + b"\n")
        except BrokenPipeError:
            return None
        return self._reply(CAP_SECONDS)

    def _reply(self, timeout: float) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        line = self._process.stdout.readline() if ready else b""
        return json.loads(line) if line else None


def _grade_all(grader: str, pairs: list[Pair]) -> tuple[list[Graded], float]:
    """The verdicts, and by how many MB memory grew at most."""
    worker = Worker(grader)
    try:
        return [worker.grade(pair) for pair in pairs], worker.growth_mb
    finally:
        worker.stop()


def _summaries(name: str, pairs: list[Pair], results: list[Graded], growth_mb: float) -> list[dict[str, Any]]:
    """One row for each class of pairs."""
    rows = []
    for like in sorted({pair.like for pair in pairs}):
        chosen = [(pair, result) for pair, result in zip(pairs, results, strict=True) if pair.like == like]
        false_positives = sum(not pair.expected and result.outcome == "equal" for pair, result in chosen)
        false_negatives = sum(pair.expected and result.outcome != "equal" for pair, result in chosen)
        times = sorted(result.milliseconds for _, result in chosen)
        rows.append({
            "grader": name,
            "like": like,
            "pairs": len(chosen),
            "accuracy": 1 - (false_positives + false_negatives) / len(chosen),
            "false_positives": false_positives,
            "false_negatives": false_negatives,
            "undecided": sum(result.outcome not in ("equal", "different") for _, result in chosen),
            "pairs_per_cpu_second": len(chosen) / sum(result.cpu for _, result in chosen),
            "p50_ms": times[len(times) // 2],
            "p99_ms": times[len(times) * 99 // 100],
            "max_ms": times[-1],
            "growth_mb": growth_mb,
        })  # fmt: skip
    return rows


def _print_table(rows: list[dict[str, Any]], machine: str) -> None:
    print(machine)
    print(
        "| grader | pairs like | pairs | accuracy | FP | FN | undecided | pairs/CPU-s | p50 ms | p99 ms | max ms | MB grown |"
    )
    print("|---" * 12 + "|")
    for row in rows:
        print(
            f"| {row['grader']} | {row['like']} | {row['pairs']} | {row['accuracy']:.2%} | {row['false_positives']} "
            f"| {row['false_negatives']} | {row['undecided']} | {row['pairs_per_cpu_second']:,.0f} | {row['p50_ms']:.3f} "
            f"| {row['p99_ms']:.2f} | {row['max_ms']:.1f} | {row['growth_mb']:.0f} |"
        )


def _tell_memory(count: int) -> None:
    with subprocess.Popen(
        [sys.executable, str(WORKER), "skillforge", "--memory", str(count)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            state = json.loads(line)
            print(f"{state['pairs']:>10,} pairs {state['resident_mb']:8.1f} MB", flush=True)
    sys.exit(process.returncode)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
