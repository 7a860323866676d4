"""`skillforge grade`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from skillforge.cli.declared import part_options
from skillforge.cli.display import ProgressDisplay, print_report, print_tables
from skillforge.errors import UsageError
from skillforge.pipeline.explain import explain, explanation_tables
from skillforge.pipeline.grade import grade as grade_run
from skillforge.pipeline.verdict_diff import VerdictDiff, diff_anew, diff_stored, diff_tables
from skillforge.registry import default_registry
from skillforge.runs.directory import RunDirectory


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN [NEW]")
@click.option("--grader", metavar="NAME", help="Grader. Default: the one that the run was judged by.")
@click.option(
    "-o",
    "assignments",
    multiple=True,
    metavar="grader.NAME=VALUE",
    help="An option of the grader. The others stay as RUN has them.",
)
@click.option(
    "--explain",
    "wanted",
    metavar="ID",
    help="Show how one problem's samples are judged, stage by stage, and store no verdict; ID/NUMBER is one sample.",
)
@click.option(
    "--diff",
    is_flag=True,
    help="Store no verdict, and list those that would change; with two runs or files of verdicts, those that differ.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def grade(
    paths: tuple[Path, ...],
    grader: str | None,
    assignments: tuple[str, ...],
    wanted: str | None,
    diff: bool,
    as_json: bool,
) -> int:
    """Judge the stored samples of RUN again. Replaces its verdicts and summary; the samples stay as they are.

    The model that wrote them is not needed; a grader that asks a model needs that one.

    \b
    skillforge grade RUN                                     the same command continues what was stopped or killed
    skillforge grade RUN --explain ID
    skillforge grade RUN --diff -o grader.policy=strict      what another policy would change
    skillforge grade --diff OLD NEW                          what two runs disagree on
    """
    options = _grader_options(assignments)
    if wanted is not None and diff:
        raise UsageError("--explain and --diff exclude each other", "leave one out")
    if grader == "":
        raise UsageError("--grader names no grader", "'skillforge plugins list' shows them")
    if len(paths) > (2 if diff else 1):
        raise UsageError(f"{len(paths)} paths are named", "name one run, or two with --diff")
    if wanted is not None:
        return _explain(paths[0], wanted, grader, options, as_json)
    if diff:
        return _show_diff(_diff(paths, grader, options), as_json)
    (run,) = paths
    summary = grade_run(run, grader, options, default_registry(), ProgressDisplay())
    if as_json:
        click.echo(msgspec.json.encode({"run": str(run), **msgspec.to_builtins(summary)}))
    else:
        print_report([(run.name, RunDirectory.open(run).manifest, summary)])
    return 3 if summary.error else 0


def _grader_options(assignments: tuple[str, ...]) -> dict[str, Any] | None:
    options = part_options(assignments)
    if strange := options.keys() - {"grader"}:
        raise UsageError(f"'{strange.pop()}' is not used in grading", "set options of the grader: -o grader.NAME=VALUE")
    return options.get("grader")


def _explain(run: Path, wanted: str, grader: str | None, options: dict[str, Any] | None, as_json: bool) -> int:
    explanations = explain(run, wanted, grader, options, default_registry(), ProgressDisplay())
    if as_json:
        click.echo(msgspec.json.encode(explanations))
    else:
        print_tables([table for explanation in explanations for table in explanation_tables(explanation)])
    return 0


def _diff(paths: tuple[Path, ...], grader: str | None, options: dict[str, Any] | None) -> VerdictDiff:
    if len(paths) == 1:
        return diff_anew(paths[0], grader, options, default_registry(), ProgressDisplay())
    if grader is not None or options is not None:
        raise UsageError("two runs are compared by their stored verdicts", "name one run to judge it with --grader")
    return diff_stored(*paths)


def _show_diff(diff: VerdictDiff, as_json: bool) -> int:
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(diff), "transitions": diff.transitions()}))
    else:
        print_tables(diff_tables(diff))
    return 0
