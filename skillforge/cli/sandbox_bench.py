"""`skillforge sandbox bench`."""

from __future__ import annotations

import asyncio
import os
import platform
from typing import Any

import click
import msgspec

from skillforge.cli.display import print_tables
from skillforge.cli.sandbox import choose_sandbox, sandbox_options
from skillforge.pipeline.tables import Table
from skillforge.testing.sandbox_bench import Figure, measure


@click.command()
@sandbox_options
@click.option("--quick", is_flag=True, help="Take fewer samples: seconds, not a minute.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def bench(name: str | None, assignments: tuple[str, ...], quick: bool, as_json: bool) -> None:
    """Measure a sandbox on this machine: how fast its sessions start, run and end, and how much memory they take."""
    part, options = choose_sandbox(name, assignments)
    machine = describe_machine()
    figures = asyncio.run(measure(part, options, quick=quick))
    if as_json:
        click.echo(msgspec.json.encode({"sandbox": part.name, "machine": machine, "figures": figures}))
        return
    shown = ", ".join(f"{label} {value}" for label, value in machine.items())
    print_tables([Table(f"Sandbox {part.name} ({shown})", COLUMNS, [_row(figure) for figure in figures])])


COLUMNS = ("measured", "median", "p99", "unit", "samples", "")


def describe_machine() -> dict[str, Any]:
    """What figures depend on: cores that may be used, load average of the last minute, versions."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "Python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
    }


def _row(figure: Figure) -> tuple[str, ...]:
    value = "not measurable" if figure.value is None else shown(figure.value)
    p99 = "" if figure.p99 is None else shown(figure.p99)
    return figure.name, value, p99, figure.unit, str(figure.samples or ""), figure.note


def shown(number: float) -> str:
    """Three or more digits of `number`."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"
