"""`skillforge plugins`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skillforge.cli import COMMANDS
from skillforge.cli.plugins_text import print_json, print_results, print_stock, print_stocks
from skillforge.errors import UsageError
from skillforge.kinds import KINDS
from skillforge.text import closest, one_line

if TYPE_CHECKING:
    from skillforge.parts.backend import Target
    from skillforge.probe import Stock
    from skillforge.registry import PartEntry


def _known_kind(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and value not in KINDS:
        raise UsageError(f"unknown kind '{one_line(value, 80)}'", closest(value, KINDS))
    return value


kind_option = click.option("--kind", callback=_known_kind, metavar="KIND", help=f"Only this kind: {', '.join(KINDS)}.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")


@click.group()
def plugins() -> None:
    """List, show, check and write plugins."""


# ---------------------------------------------------------------------------------------------------------------
# list
# ---------------------------------------------------------------------------------------------------------------


@plugins.command("list")
@kind_option
@json_option
def list_command(kind: str | None, as_json: bool) -> None:
    """All installed parts, and which of them work."""
    from skillforge.probe import take_stock
    from skillforge.registry import default_registry

    entries = [entry for entry in default_registry().all_entries if kind in (None, entry.kind)]
    stocks = take_stock(entries)
    if as_json:
        print_json([_stock_as_json(stock) for stock in stocks])
    elif not stocks:
        click.echo(f"no {kind or 'plugin'} is installed")
    else:
        print_stocks(stocks)


def _stock_as_json(stock: Stock) -> dict[str, Any]:
    entry = stock.entry
    return {
        "kind": entry.kind,
        "name": entry.name,
        "id": entry.id,
        "package": entry.package,
        "version": entry.version,
        "module": entry.module,
        "summary": stock.summary,
        "state": stock.state,
        "cause": stock.cause,
        "fix": stock.fix,
        "seconds": round(stock.seconds, 3),
    }


# ---------------------------------------------------------------------------------------------------------------
# show
# ---------------------------------------------------------------------------------------------------------------


@plugins.command("show")
@click.argument("name")
@kind_option
@json_option
def show_command(name: str, kind: str | None, as_json: bool) -> None:
    """All about the part NAME (or PACKAGE:NAME): its options, where it comes from, and what its kind tells of it."""
    from skillforge.probe import take_stock
    from skillforge.registry import default_registry

    entries = [entry for entry in default_registry().all_entries if kind in (None, entry.kind)]
    if not any(name in (entry.name, entry.id) for entry in entries):
        label = kind or "part"
        raise UsageError(f"unknown {label} '{one_line(name, 80)}'", closest(name, {entry.name for entry in entries}))
    namesakes = [entry for entry in entries if entry.name == name.rpartition(":")[2]]
    stocks = [stock for stock in take_stock(namesakes) if name in (stock.entry.name, stock.entry.id)]
    if as_json:
        import msgspec

        print_json([{**_stock_as_json(stock), **msgspec.to_builtins(stock.part or {})} for stock in stocks])
        return
    for number, stock in enumerate(stocks):
        if number:
            click.echo()
        print_stock(stock)


# ---------------------------------------------------------------------------------------------------------------
# check
# ---------------------------------------------------------------------------------------------------------------


@plugins.command("check")
@click.argument("package", required=False)
@click.option(
    "--data-dir",
    envvar="SKILLFORGE_DATA",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with benchmarks' upstream files. Default: SKILLFORGE_DATA.",
)
@click.option("--base-url", help="Address of a server that backends may send real requests to.")
@click.option("--model", help="Model for real requests of backends: what the server calls it, a folder or a hub id.")
@click.pass_context
def check_command(
    ctx: click.Context, package: str | None, data_dir: Path | None, base_url: str | None, model: str | None
) -> None:
    """Run the contract tests on the parts of PACKAGE (or on the part of that name). Default: on all.

    Trainers, engines and trackers are put to work only where PACKAGE is given.
    """
    from skillforge.registry import default_registry
    from skillforge.testing.installed import Surroundings, check_installed

    if base_url and not model:
        raise UsageError("--base-url is set, but no model", "name one that the server has with --model")
    entries = _entries_of(package, default_registry().entries())
    target = _target(model, base_url) if model else None
    surroundings = Surroundings(data_dir, target, exercise=package is not None)
    failed = 0
    for entry, results in check_installed(default_registry(), entries, surroundings):
        print_results(entry, results)
        failed += any(not result.ok for result in results)
    click.echo(f"\n{len(entries)} checked, {failed} broken")
    ctx.exit(1 if failed else 0)


def _target(model: str, base_url: str | None) -> Target:
    from skillforge.parts.backend import Target
    from skillforge.pipeline.resolve import find_model
    from skillforge.registry import default_registry

    return Target(find_model(model, base_url, default_registry())[0], base_url)


def _entries_of(package: str | None, entries: list[PartEntry]) -> list[PartEntry]:
    if package is None:
        return entries
    wanted = _canonical(package)
    found = [entry for entry in entries if _canonical(entry.package) == wanted]
    found = found or [entry for entry in entries if package in (entry.name, entry.id)]
    if not found:
        known = {entry.package for entry in entries} | {entry.name for entry in entries}
        raise UsageError(f"no package or part called '{one_line(package, 80)}' is installed", closest(package, known))
    return found


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


# ---------------------------------------------------------------------------------------------------------------
# new
# ---------------------------------------------------------------------------------------------------------------


@plugins.command("new")
@click.argument("kind", callback=_known_kind)
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="Folder that the package's own folder goes into. Default: this one.",
)
@click.option("--author", help="Whom pyproject.toml and LICENSE name.")
@click.option("--package", help="Name of the package. Default: skillforge-NAME.")
def new_command(kind: str, name: str, into: Path, author: str | None, package: str | None) -> None:
    """Write a package with a small working part of KIND, called NAME, and its tests."""
    from skillforge.registry import default_registry
    from skillforge.scaffold import write_package

    written = write_package(kind, name, into, author, package)
    click.echo(f"wrote {os.path.relpath(written.folder)}:")
    for file in written.files:
        click.echo(f"  {file.relative_to(written.folder)}")
    for warning in _clashes(kind, name, written.package, default_registry().entries()):
        click.echo(click.style(f"Warning: {warning}", fg="yellow"), err=True)
    folder = os.path.relpath(written.folder)
    here = folder if folder.startswith(".") else f"./{folder}"  # pip takes a bare word for a package on the index
    click.echo("\nNext:")
    for step in (
        f"pip install -e {here}",
        f"python -m pytest {here}",
        f"skillforge plugins check {written.package}",
        *written.use,
    ):
        click.echo(f"  {step}")


def _clashes(kind: str, name: str, package: str, entries: Sequence[PartEntry]) -> list[str]:
    owners = sorted({entry.package for entry in entries if (entry.kind, entry.name) == (kind, name)} - {package})
    warnings = [
        f"{owner} brings a {kind} called '{name}' too; installed together, both need their full id" for owner in owners
    ]
    if kind == "command" and name in COMMANDS:
        warnings.append(f"'skillforge {name}' is a command of its own already, and stays that")
    if any(_canonical(entry.package) == _canonical(package) for entry in entries):
        warnings.append(
            f"a package {package} is installed; installing this one replaces it (--package gives another name)"
        )
    return warnings
