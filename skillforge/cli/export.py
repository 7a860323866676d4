"""`skillforge export`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from skillforge.pipeline.export import Format
from skillforge.pipeline.export import export as export_run
from skillforge.runs.directory import RunDirectory


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to", "file_format", type=click.Choice(get_args(Format)), default="jsonl", show_default=True, help="Format."
)
@click.option("--output", type=click.Path(path_type=Path), help="File to write. Default: standard output.")
def export(run: Path, file_format: Format, output: Path | None) -> None:
    """Write the samples of RUN with their verdicts as one flat table, a row a sample."""
    count = export_run(RunDirectory.open(run), file_format, output)
    if output is not None:
        click.echo(f"{count} rows -> {output}", err=True)
