"""`skillforge compare`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from skillforge.errors import UsageError
from skillforge.pipeline.compare import compare_runs, comparison_tables
from skillforge.pipeline.tables import markdown


@click.command()
@click.argument("first", type=click.Path(path_type=Path), metavar="A")
@click.argument("second", type=click.Path(path_type=Path), metavar="B")
@click.option("--common", is_flag=True, help="Use the problems that both runs have, where they differ.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
def compare(first: Path, second: Path, common: bool, as_json: bool, as_markdown: bool) -> None:
    """Compare run B with run A: paired difference with interval, a test, and the problems that flipped."""
    if as_json and as_markdown:
        raise UsageError("--json and --markdown exclude each other", "leave one out")
    comparison, changed = compare_runs(first, second, common_only=common)
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(comparison), "differs": changed}))
        return
    tables = comparison_tables(comparison, changed, first.name, second.name)
    if as_markdown:
        click.echo(markdown(tables), nl=False)
    else:
        from skillforge.cli.display import print_tables

        print_tables(tables)
