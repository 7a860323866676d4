"""`skillforge grade`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from skillforge.cli.declared import part_options
from skillforge.cli.display import ProgressDisplay, print_tables
from skillforge.errors import UsageError
from skillforge.pipeline.grade import grade as grade_run
from skillforge.pipeline.report import tables
from skillforge.registry import default_registry
from skillforge.runs.directory import RunDirectory


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--grader", metavar="NAME", help="Grader. Default: the one that the run was judged by.")
@click.option("-o", "assignments", multiple=True, metavar="grader.NAME=VALUE", help="An option of the grader.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def grade(run: Path, grader: str | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Judge the samples of RUN again, without a model. Replaces its verdicts and summary; the samples stay as they are."""
    options = part_options(assignments)
    if strange := options.keys() - {"grader"}:
        raise UsageError(f"'{strange.pop()}' is not used in grading", "set options of the grader: -o grader.NAME=VALUE")
    summary = grade_run(run, grader, options.get("grader"), default_registry(), ProgressDisplay())
    if as_json:
        click.echo(msgspec.json.encode({"run": str(run), **msgspec.to_builtins(summary)}))
    else:
        print_tables(tables([(run.name, RunDirectory.open(run).manifest, summary)]))
    return 3 if summary.error else 0
