"""What `skillforge plugins` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from skillforge.text import one_line, printable

if TYPE_CHECKING:
    from skillforge.probe import PartDescription, Stock
    from skillforge.registry import PartEntry
    from skillforge.testing.report import CheckResult


def print_stocks(stocks: Sequence[Stock]) -> None:
    """All parts as a table, and below it what is wrong with some."""
    rows = [
        (stock.entry.kind, stock.entry.name, stock.entry.package, stock.entry.version, stock.summary, stock.state)
        for stock in stocks
    ]
    _print_table(("kind", "name", "package", "version", "what", "state"), rows)
    faults = dict.fromkeys((stock.state, stock.cause, stock.fix) for stock in stocks if stock.cause)
    for state, cause, fix in faults:  # a clash is one fault of two parts
        click.echo(f"\n{state}: {printable(cause or '')}\n    → {printable(fix or '')}")


def print_stock(stock: Stock) -> None:
    """All that is known of one part."""
    entry = stock.entry
    click.echo(click.style(f"{entry.kind} {printable(entry.name)}", bold=True) + f": {one_line(stock.summary)}")
    if stock.cause:
        click.echo(f"  {stock.state}: {printable(stock.cause)}\n    → {printable(stock.fix or '')}")
    part = stock.part
    facts: dict[str, Any] = {
        "package": f"{entry.package} {entry.version}",
        "file": (part and part.file) or entry.module,
        "licence": part and part.licence,
        "source": part and part.source,
        **{label.replace("_", " "): value for label, value in (part.facts if part else {}).items()},
    }
    for label, value in facts.items():
        if value is not None:
            _print_fact(label, value)
    if part:
        _print_options(entry.kind, part)


def _print_fact(label: str, value: Any) -> None:
    if isinstance(value, dict):
        click.echo(f"  {label}:")
        for key, inner in value.items():
            click.echo(f"    {printable(str(key))}: {_shown(inner)}")
    else:
        click.echo(f"  {label}: {', '.join(map(_shown, value)) if isinstance(value, list) else _shown(value)}")


def _shown(value: Any) -> str:
    return one_line(repr(value) if isinstance(value, str) and value != value.strip() else str(value))


def _print_options(kind: str, part: PartDescription) -> None:
    if not part.options:
        click.echo("  options: none")
        return
    click.echo(f"  options (-o {kind}.NAME=VALUE):")
    rows = [
        (
            option.name,
            ", ".join(filter(None, (option.type, option.bounds))),
            "(required)" if option.required else "–" if option.default is None else str(option.default),
            option.help,
        )
        for option in part.options
    ]
    _print_table(("option", "is", "default", "what"), rows, indent=4)


def print_results(entry: PartEntry, results: Sequence[CheckResult]) -> None:
    """Each check of one part on a line of its own."""
    passed = sum(result.state == "ok" for result in results)
    skipped = sum(result.state == "skipped" for result in results)
    counts = f"{passed} ok, {skipped} skipped, {len(results) - passed - skipped} failed"
    title = f"{entry.kind} {printable(entry.name)} ({printable(entry.package)} {printable(entry.version)})"
    click.echo(f"\n{click.style(title, bold=True)}: {counts}")
    colours = {"ok": "green", "failed": "red", "skipped": "yellow"}
    for result in results:
        click.echo(click.style("  " + printable(str(result)).replace("\n", "\n  "), fg=colours[result.state]))


def print_json(rows: list[dict[str, Any]]) -> None:
    """A JSON list for other programs."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], indent: int = 0) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column != "what")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(Padding(table, (0, 0, 0, indent)))
