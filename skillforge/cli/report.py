"""`skillforge report`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from skillforge.errors import UsageError
from skillforge.pipeline.report import markdown, read_summary, tables
from skillforge.runs.directory import RunDirectory


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
def report(runs: tuple[Path, ...], as_json: bool, as_markdown: bool) -> None:
    """Show what runs came to, side by side."""
    if as_json and as_markdown:
        raise UsageError("--json and --markdown exclude each other", "leave one out")
    found = [(path.name, RunDirectory.open(path)) for path in runs]
    summaries = [(name, run.manifest, read_summary(run)) for name, run in found]
    if as_json:
        rows = [
            {"run": str(path), "resolved": manifest.resolved, **msgspec.to_builtins(summary)}
            for path, (_, manifest, summary) in zip(runs, summaries, strict=True)
        ]
        click.echo(msgspec.json.encode(rows))
    elif as_markdown:
        click.echo(markdown(tables(summaries)), nl=False)
    else:
        from skillforge.cli.display import print_tables

        print_tables(tables(summaries))
