"""`skillforge report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from skillforge.errors import UsageError
from skillforge.pipeline.report import read_summary, tables
from skillforge.pipeline.tables import markdown
from skillforge.runs.directory import RunDirectory


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw pass@k and maj@k over k into this file, too.",
)
def report(runs: tuple[Path, ...], as_json: bool, as_markdown: bool, plot: Path | None) -> None:
    """Show what runs came to, side by side."""
    if as_json and as_markdown:
        raise UsageError("--json and --markdown exclude each other", "leave one out")
    found = [(name, RunDirectory.open(path)) for name, path in zip(_names(runs), runs, strict=True)]
    summaries = [(name, run.manifest, read_summary(run)) for name, run in found]
    if plot is not None:
        from skillforge.pipeline.curves import write_plot

        write_plot(plot, [(name, summary) for name, _, summary in summaries])
        click.echo(f"pass@k and maj@k -> {plot}", err=True)
    if as_json:
        rows = [
            {"run": str(path), "resolved": manifest.resolved, **msgspec.to_builtins(summary)}
            for path, (_, manifest, summary) in zip(runs, summaries, strict=True)
        ]
        click.echo(msgspec.json.encode(rows))
    elif as_markdown:
        click.echo(markdown(tables(summaries)), nl=False)
    else:
        from skillforge.cli.display import print_report

        print_report(summaries)


def _names(runs: Sequence[Path]) -> list[str]:
    """What tells the runs apart: the names of their folders, or the paths where two have the same name."""
    names = [path.name for path in runs]
    return names if len(set(names)) == len(names) else [str(path) for path in runs]
