"""What `skillforge plugins` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from skillforge.text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from skillforge.options import OptionField
    from skillforge.probe import PartDescription, Stock
    from skillforge.registry import PartEntry
    from skillforge.testing.report import CheckResult


WIDE = 140
"""Characters in a line from which on packages have a column of their own, so that what a part is still fits beside them."""

_DEFAULT_FOR = {"url": "runs with a --base-url", "weights": "models that are a folder or a hub id"}


def print_stocks(stocks: Sequence[Stock]) -> None:
    """All parts as a table, and below it what is wrong with some."""
    _print_table(stocks, wide=_console().width >= WIDE)
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
        **{label.replace("_", " "): _in_words(label, value) for label, value in (part.facts if part else {}).items()},
    }
    for label, value in facts.items():
        if value is not None:
            _print_fact(label, value)
    if part:
        _print_options(entry.kind, part)


def _in_words(label: str, value: Any) -> Any:
    """A fact as users know it, who never see its short name."""
    return _DEFAULT_FOR.get(value, value) if label == "default_for" else value


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
    from rich.table import Table
    from rich.text import Text

    if not part.options:
        click.echo("  options: none")
        return
    click.echo(f"  options (-o {kind}.NAME=VALUE):")
    table = Table.grid("name", "what", padding=(0, 2, 0, 0))
    for option in part.options:
        table.add_row(option.name, Text(one_line(option.help)).append(f"\n{one_line(_values(option))}", style="dim"))
    _print_wrapped(table, indent=4)


def _values(option: OptionField) -> str:
    """What an option may be set to, and what it is where nobody sets it."""
    values = ", ".join(filter(None, (option.type, option.bounds)))
    if option.required:
        return f"{values}; required"
    return values if option.default in (None, "", []) else f"{values}; default: {_written(option.default)}"


def _written(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


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


def _print_table(stocks: Sequence[Stock], *, wide: bool) -> None:
    """A line for each part; where the terminal is not `wide`, the package stands below what the part is."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "name", *(("package", "version") if wide else ()), "what", "state"):
        table.add_column(column, overflow="fold", no_wrap=column != "what")
    for stock in stocks:
        kind, name, what, state = (
            Text(one_line(cell)) for cell in (stock.entry.kind, stock.entry.name, stock.summary, stock.state)
        )
        package, version = one_line(stock.entry.package), one_line(stock.entry.version)
        if wide:
            table.add_row(kind, name, Text(package), Text(version), what, state)
        else:
            table.add_row(kind, name, what.append(f"\n{package} {version}", style="dim"), state)
    _print_wrapped(table)


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def _print_wrapped(shown: RenderableType, indent: int = 0) -> None:
    """Print what fits itself to the width of the terminal, without spaces at the ends of lines."""
    from rich.padding import Padding

    console = _console()
    with console.capture() as captured:
        console.print(Padding(shown, (0, 0, 0, indent), expand=False))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
