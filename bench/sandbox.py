"""The sandboxes beside Jupyter kernels, all measured in one run; then recorded programs, run again in fresh sessions.

    python bench/sandbox.py [--quick] [--json] [--sandbox NAME ...] [--programs FILE.jsonl]

Sandboxes that are not installed, or cannot be opened here, are left out, with the reason. Jupyter has an environment of its own
(bench/.peers/jupyter, made once). The programs are the 1,319 of ToRA-Code 34B on GSM8K: one JSON object a line, whose `code`
holds the program and, where it was run, its recorded output.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
from common import HERE

from skillforge.cli.display import print_tables
from skillforge.cli.sandbox_bench import describe_machine, shown
from skillforge.errors import SkillForgeError
from skillforge.parts.sandbox import Execution, Sandbox, SandboxPool
from skillforge.pipeline.tables import Table
from skillforge.registry import default_registry
from skillforge.testing import sandbox_bench as figures
from skillforge.testing.sandbox_bench import Figure

SANDBOXES = ("local", "docker", "http")
ENVIRONMENT = HERE / ".peers" / "jupyter"
PACKAGES = ("jupyter_client", "ipykernel")
PROGRAMS = HERE.parents[1] / "shared/data/tir_samples/tora-code-34b-v1.0/gsm8k/test_tora_-1_seed0_t0.0_s0_e1319.jsonl"
PROGRAM_SECONDS = 20.0
AT_ONCE = 4

TARGETS = {
    figures.FRESH: "≤ 8 ms",
    figures.READY: "p99 ≤ 2 ms",
    figures.fresh_rate(2): "≥ 120 (docker ≥ 4)",
    figures.STATEMENT_TIME: "p99 ≤ 1 ms (docker ≤ 1 ms)",
    figures.MANY_STATEMENTS: "≥ 5,000",
    figures.IDLE: "≤ 5 MB",
}


def main() -> None:
    arguments = _arguments()
    machine = ", ".join(f"{label} {value}" for label, value in describe_machine().items())
    columns: dict[str, list[Figure]] = {}
    replays: dict[str, Replay] = {}
    for name in arguments.sandbox or SANDBOXES:
        try:
            part = _sandbox(name)
            columns[name] = asyncio.run(figures.measure(part, part.Options(), quick=arguments.quick))
            if arguments.programs.exists():
                replays[name] = asyncio.run(replay(part, _programs(arguments.programs, arguments.quick)))
        except SkillForgeError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    columns["jupyter"] = _jupyter(arguments.quick)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode([machine, columns, replays])).decode())
        return
    print_tables([_table(machine, columns)])
    if not replays:
        print(f"no recorded programs: {arguments.programs} is not there")
    for name, result in replays.items():
        print(f"{name}: {result}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples, and every tenth program")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--sandbox", action="append", help=f"measure this one; repeatable (default: {SANDBOXES})")
    parser.add_argument("--programs", type=Path, default=PROGRAMS, help="recorded programs (default: %(default)s)")
    return parser.parse_args()


def _sandbox(name: str) -> Sandbox:
    part = default_registry().get("sandbox", name)
    assert isinstance(part, Sandbox)
    return part


def _table(machine: str, columns: dict[str, list[Figure]]) -> Table:
    names = dict.fromkeys(figure.name for column in columns.values() for figure in column)
    units = {figure.name: figure.unit for column in columns.values() for figure in column}
    cells = {(name, figure.name): _cell(figure) for name, column in columns.items() for figure in column}
    rows = [
        (f"{name}, {units[name]}", *(cells.get((column, name), "") for column in columns), TARGETS.get(name, ""))
        for name in names
    ]
    return Table(f"Median / p99 ({machine})", ("", *columns, "target"), rows)


def _cell(figure: Figure) -> str:
    if figure.value is None:
        return f"– ({figure.note})"
    return shown(figure.value) + (f" / {shown(figure.p99)}" if figure.p99 is not None else "")


# ---------------------------------------------------------------------------------------------------------------
# Jupyter
# ---------------------------------------------------------------------------------------------------------------


def _jupyter(quick: bool) -> list[Figure]:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    amounts = (3, 4, 300, 2) if quick else (15, 16, 3000, 2)
    command = [str(python), str(HERE / "sandbox_jupyter.py"), *map(str, amounts)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"jupyter: exit code {ended.returncode}\n{ended.stderr[-2000:]}")
    found = json.loads(ended.stdout)
    rates = [
        Figure(name=figures.fresh_rate(int(tasks)), unit="/s", value=rate, samples=amounts[1])
        for tasks, rate in found["kernels_per_second"].items()
    ]
    return [
        figures.milliseconds(figures.FRESH, found["started"]),
        figures.milliseconds(figures.FRESH_STATEMENT, found["answered"]),
        *rates,
        figures.milliseconds(figures.STATEMENT_TIME, found["statements"]),
        Figure(name=figures.IDLE, unit="MB", value=found["resident_mb"], note="RSS"),
    ]


# ---------------------------------------------------------------------------------------------------------------
# Recorded programs
# ---------------------------------------------------------------------------------------------------------------


class Program(NamedTuple):
    """A program and the output that its record shows."""

    label: str
    code: str
    output: str


class Replay(msgspec.Struct, frozen=True):
    """What running the programs again came to."""

    programs: int
    seconds: float
    different: list[str]

    def __str__(self) -> str:
        same = self.programs - len(self.different)
        lines = [
            f"{same} of {self.programs} recorded programs reproduce their output, {self.programs / self.seconds:.0f} "
            f"programs/s in fresh sessions, {AT_ONCE} at once"
        ]
        return "\n  ".join(lines + self.different)


def _programs(path: Path, quick: bool) -> list[Program]:
    """The programs with a recorded output: a model that stopped after an unfinished program has none."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = json.loads(line)["code"][0]
        if match := re.search(r"```python\n(.*?)```\s*```output\n(.*?)```", text, re.DOTALL):
            found.append(Program(f"line {number}", match[1], match[2].strip()))
    return found[:: 10 if quick else 1]


async def replay(part: Sandbox, programs: list[Program]) -> Replay:
    """Run each program in a fresh session of its own."""
    different: list[str] = []
    waiting = iter(programs)

    async def work(pool: SandboxPool) -> None:
        for program in waiting:
            output = recorded_form(await pool.run_once(program.code, PROGRAM_SECONDS))
            if output != program.output:
                different.append(f"{program.label}: recorded {program.output[:80]!r}, now {output[:80]!r}")

    async with part.open(part.Options()) as pool:
        began = time.perf_counter()
        await asyncio.gather(*(work(pool) for _ in range(AT_ONCE)))
        return Replay(len(programs), time.perf_counter() - began, different)


def recorded_form(execution: Execution) -> str:
    """The output as ToRA records it: what was printed; of a program that raises, the last line of the traceback."""
    if execution.status == "ok":
        return execution.stdout.strip()
    shown = execution.stderr.strip().rpartition("\n")[2] or execution.status
    return re.sub(r"\. Did you mean: '\w+'\?$", "", shown)  # newer Pythons add advice


if __name__ == "__main__":
    main()
