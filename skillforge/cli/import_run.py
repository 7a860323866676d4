"""`skillforge import`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from skillforge.cli.declared import declared_options, given
from skillforge.cli.display import ProgressDisplay, print_report
from skillforge.cli.evaluate import RUNS
from skillforge.options import parse
from skillforge.pipeline.import_run import ImportSettings
from skillforge.pipeline.import_run import import_run as make_run
from skillforge.registry import default_registry
from skillforge.runs.directory import RunDirectory, new_run_path


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@declared_options(ImportSettings)
@click.option("--out", type=click.Path(path_type=Path), help="Run directory. Default: runs/FILE-TIME.")
def import_run(file: Path, out: Path | None, **values: Any) -> int:
    """Make a run of the generations in FILE (JSON lines), and grade it.

    \b
    skillforge import outputs.jsonl --response generation --benchmark gsm8k
    skillforge import mine.jsonl --response output.text --expected-field gold --grader math
    """
    settings = parse(ImportSettings, given(values), "--")
    path = out or new_run_path(RUNS, file.stem, settings.model)
    summary = make_run(file, settings, path, default_registry(), ProgressDisplay())
    print_report([(path.name, RunDirectory.open(path).manifest, summary)])
    return 3 if summary.error else 0
