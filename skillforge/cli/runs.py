"""`skillforge runs`."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from skillforge.errors import SkillForgeError
from skillforge.pipeline.report import read_summary
from skillforge.pipeline.tables import Table, percent
from skillforge.runs.directory import list_runs
from skillforge.text import printable


@click.group()
def runs() -> None:
    """List the runs."""


@runs.command("list")
@click.argument("folder", default="runs", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_command(folder: Path, as_json: bool) -> None:
    """The runs in FOLDER (default: runs), oldest first."""
    rows = []
    for run in list_runs(folder, unreadable=_pass_over):
        summary = None
        with contextlib.suppress(SkillForgeError):
            summary = read_summary(run)
        resolved = run.manifest.resolved
        rows.append(
            {
                "run": str(run.path),
                "state": run.manifest.state,
                "benchmark": f"{str(resolved.get('benchmark')).rpartition(':')[2]}/{resolved.get('split')}",
                "model": resolved.get("model"),
                "samples": summary.samples if summary else None,
                "accuracy": summary.accuracy.value if summary else None,
                "errors": summary.error if summary else None,
                "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.manifest.created_at)),
            }
        )
    if as_json:
        click.echo(msgspec.json.encode(rows))
    elif not rows:
        click.echo(f"no runs in {folder}")
    else:
        from skillforge.cli.display import print_tables

        cells = [[_cell(name, value) for name, value in row.items()] for row in rows]
        for row in cells:
            row[0] = Path(row[0]).name
        print_tables([Table(f"Runs in {folder}", tuple(rows[0]), cells, labels=4)])


def _pass_over(fault: SkillForgeError) -> None:
    click.echo(f"passed over: {printable(str(fault))}", err=True)


def _cell(name: str, value: Any) -> str:
    if name == "accuracy":
        return percent(value)
    return "–" if value is None else str(value)
