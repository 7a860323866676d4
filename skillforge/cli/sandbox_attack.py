"""`skillforge sandbox attack`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skillforge.cli.plugins_text import print_json
from skillforge.cli.sandbox import choose_sandbox, sandbox_options
from skillforge.testing.attacks import SUITE, Result, Snippet, read_snippets
from skillforge.testing.attacks import attack as run_attack
from skillforge.text import one_line

if TYPE_CHECKING:
    from skillforge.parts.part import PartOptions
    from skillforge.parts.sandbox import Sandbox


@click.command()
@sandbox_options
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=SUITE,
    help="Run the *.py files of this folder. Default: those that come with SkillForge.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, at the end.")
@click.pass_context
def attack(ctx: click.Context, name: str | None, assignments: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Run hostile snippets in a sandbox, and show for each whether it was contained.

    Where the sandbox does not hold, they do harm: use a machine that may be lost. Exit code 1: some were not contained.
    """
    part, options = choose_sandbox(name, assignments)
    results = asyncio.run(_run(part, options, read_snippets(folder), as_json))
    contained = sum(result.contained for result in results)
    if as_json:
        import msgspec

        print_json([{"contained": result.contained, **msgspec.to_builtins(result)} for result in results])
    else:
        click.echo(f"\n{len(results)} snippets, {contained} contained by the sandbox {part.name}")
    ctx.exit(0 if contained == len(results) else 1)


async def _run(part: Sandbox, options: PartOptions, snippets: Sequence[Snippet], quiet: bool) -> list[Result]:
    """The results, each shown as it comes unless `quiet`."""
    results = []
    async for result in run_attack(part, options, snippets):
        results.append(result)
        if not quiet:
            _show(result, f"{len(results):{len(str(len(snippets)))}}/{len(snippets)}")
    return results


def _show(result: Result, place: str) -> None:
    mark, colour = ("✓", "green") if result.contained else ("✗", "red")
    facts = f"{result.status or 'no answer'}, {result.seconds:.1f} s"
    click.echo(
        f"{place} " + click.style(f"{mark} {one_line(result.name)}", fg=colour) + f": {facts} – {one_line(result.what)}"
    )
    for violation in result.violations:
        click.echo(click.style(f"    → {one_line(violation)}", fg=colour))
