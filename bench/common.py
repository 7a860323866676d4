"""What the benches share: a mock server in a process of its own, made-up problems, and commands measured whole."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
NAMES = ("Ada", "Boris", "Chen", "Dalia", "Emeka", "Farah", "Goran", "Hana")
GOODS = ("pears", "stickers", "tiles", "candles", "notebooks", "marbles", "ribbons", "seedlings")


class Measured(NamedTuple):
    """A finished command: wall and CPU seconds (children included), peak memory in MB, exit code, output."""

    wall: float
    cpu: float
    peak_mb: float
    code: int
    output: str


@contextlib.contextmanager
def mock_server(*options: str) -> Iterator[str]:
    """The base URL of a fresh mock OpenAI server."""
    command = [sys.executable, str(HERE / "mock_server.py"), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def write_problems(folder: Path, count: int) -> None:
    """`count` made-up problems of the length and form of GSM8K's, where the benchmark `gsm8k` looks for its test split."""
    rng = random.Random(0)
    (folder / "gsm8k").mkdir(parents=True, exist_ok=True)
    with (folder / "gsm8k" / "test.jsonl").open("w") as stream:
        for number in range(count):
            name, goods = rng.choice(NAMES), rng.choice(GOODS)
            a, b, c = rng.randint(3, 60), rng.randint(2, 12), rng.randint(1, 9)
            question = (
                f"{name} runs a small shop and keeps {a} {goods} on each shelf. In week number {number} there are {b} "
                f"shelves, and on Friday a customer buys {c} {goods} from every one of them. Nothing else is sold "
                f"before the shop closes. How many {goods} are left on the shelves when {name} counts them on Saturday morning?"
            )
            solution = (
                f"Each shelf then holds {a} - {c} = {a - c} {goods}.\nIn all {b} * {a - c} = {b * (a - c)} are left."
            )
            stream.write(json.dumps({"question": question, "answer": f"{solution}\n#### {b * (a - c)}"}) + "\n")


def measure(command: Sequence[str], *, terminal: bool = False, folder: Path | None = None) -> Measured:
    """Run `command` whole, in `folder` or here, and measure it.

    With `terminal`, its output is a terminal, so that live displays are on.
    """
    started = time.perf_counter()
    if terminal:
        controller, terminal_end = pty.openpty()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=terminal_end, stderr=terminal_end, cwd=folder
        )
        os.close(terminal_end)
    else:
        read_end, write_end = os.pipe()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=write_end, stderr=write_end, cwd=folder)
        os.close(write_end)
        controller = read_end
    pieces: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(controller, pieces))
    reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    os.close(controller)
    output = b"".join(pieces).decode("utf-8", "replace")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, output)


def _drain(controller: int, pieces: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # a terminal whose other end closed raises instead of ending
        while piece := os.read(controller, 65536):
            pieces.append(piece)


def skillforge(*arguments: str) -> list[str]:
    """A `skillforge` command line of this environment."""
    return [str(Path(sys.executable).with_name("skillforge")), *arguments]


def evaluation(folder: Path, base_url: str, out: Path, *options: str) -> list[str]:
    """The command line that evaluates the mock's model on the problems in `folder`, with the run in `out`."""
    return skillforge(
        "eval", "--benchmark", "gsm8k", "--data-dir", str(folder), "--base-url", base_url, "--model", "mock",
        "--out", str(out), *options,
    )  # fmt: skip


def parse_arguments(description: str | None, **options: int) -> argparse.Namespace:
    """The command line of a bench: options that are numbers, with their defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in options.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    return parser.parse_args()


def require(measured: Measured) -> Measured:
    """`measured`, if it ended with exit code 0; else show what it printed and stop."""
    if measured.code != 0:
        sys.exit(f"exit code {measured.code}\n{measured.output}")
    return measured
