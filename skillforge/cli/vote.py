"""`skillforge vote`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from skillforge.cli.declared import part_options
from skillforge.cli.display import ProgressDisplay, print_tables
from skillforge.errors import UsageError
from skillforge.pipeline.vote import DEFAULT_VOTER
from skillforge.pipeline.vote import vote as vote_over
from skillforge.pipeline.vote_report import comparison_table, vote_table
from skillforge.registry import default_registry


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--voter", metavar="NAME", help=f"Voter.  [default: {DEFAULT_VOTER}]")
@click.option("-o", "assignments", multiple=True, metavar="voter.NAME=VALUE", help="An option of the voter.")
@click.option(
    "--samples", type=click.IntRange(min=2), metavar="N", help="Vote over the first N samples of each problem only."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def vote(run: Path, voter: str | None, assignments: tuple[str, ...], samples: int | None, as_json: bool) -> int:
    """Vote over the stored samples of RUN: one answer for each problem. Replaces its votes; all else stays as it is.

    \b
    skillforge vote RUN
    skillforge vote RUN --voter weighted -o voter.weight=entropy
    skillforge vote RUN --samples 8
    """
    options = part_options(assignments)
    if strange := options.keys() - {"voter"}:
        raise UsageError(f"'{strange.pop()}' does not vote", "set options of the voter: -o voter.NAME=VALUE")
    if voter == "":
        raise UsageError("--voter names no voter", "'skillforge plugins list --kind voter' shows them")
    result = vote_over(run, voter, options.get("voter", {}), samples, default_registry(), ProgressDisplay())
    if as_json:
        shown = {"vote": result.votes, "accuracy": result.summary.accuracy, "run_voter": result.run_voter}
        click.echo(msgspec.json.encode({"run": str(run), **shown}))
    else:
        compared = comparison_table(run.name, result.votes, result.summary.accuracy, result.run_voter)
        print_tables([compared, vote_table([(run.name, result.votes)])])
    return 3 if result.votes.error else 0
