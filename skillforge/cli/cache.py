"""`skillforge cache`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from skillforge.errors import UsageError
from skillforge.text import one_line

Command = TypeVar("Command", bound=Callable[..., Any])

SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.group()
def cache() -> None:
    """Show what a cache of completions holds, and clear it."""


def cache_folder(command: Command) -> Command:
    """Adds `--cache DIR`, which arrives as `folder`."""
    return click.option(
        "--cache",
        "folder",
        required=True,
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The folder that runs were given.",
    )(command)


@cache.command()
@cache_folder
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def stats(folder: Path, as_json: bool) -> None:
    """What is in a cache, by model, and how often it was used."""
    from skillforge.cache.upkeep import read_stats

    found = read_stats(folder)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    from skillforge.cli.display import print_tables
    from skillforge.pipeline.tables import Table

    title = f"{folder}: {found.entries:,} completions, {_size(found.bytes)} on disk, used {found.hits:,} times"
    columns = ("model", "backend", "place", "oldest", "newest", "completions", "size", "used")
    rows = [
        (
            *(origin.model, origin.backend, origin.place, _day(origin.oldest), _day(origin.newest)),
            *(f"{origin.entries:,}", _size(origin.bytes), f"{origin.hits:,}"),
        )
        for origin in found.origins
    ]
    if rows:
        print_tables([Table(title, columns, rows, labels=3)])
    else:
        click.echo(title)


@cache.command()
@cache_folder
@click.option("--model", metavar="NAME", help="Only what this model answered.")
@click.option("--older-than", metavar="AGE", help="Only what was kept so long ago: 90m, 12h, 30d or 4w.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(folder: Path, model: str | None, older_than: str | None, yes: bool) -> None:
    """Delete what is in a cache: all of it, or what the options choose."""
    from skillforge.cache import upkeep

    chosen = upkeep.Chosen.of(model, None if older_than is None else _seconds(older_than))
    count = upkeep.count(folder, chosen)
    agreed = yes or count == 0 or _agreed(f"Delete {count:,} completions from {folder}?")
    click.echo(f"{upkeep.clear(folder, chosen) if agreed else 0:,} completions deleted")


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort as abort:
        if isinstance(abort.__context__, EOFError):  # the other one is Ctrl-C
            raise UsageError("there is nobody to ask, so nothing was deleted", "give --yes") from None
        raise


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", age)
    if found is None:
        raise UsageError(f"'{one_line(age, 40)}' is no age", "write it like --older-than 30d (m, h, d or w)")
    return int(found[1]) * SECONDS[found[2]]


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _size(count: int) -> str:
    """Bytes as people read them."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"
