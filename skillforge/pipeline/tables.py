"""Tables in text form, for the terminal and for pages, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from skillforge.metrics.intervals import Estimate
from skillforge.metrics.summary import AtK


class Table(msgspec.Struct, frozen=True):
    """One table of a report: all cells are text; the first `labels` columns are words, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1


def side_by_side(title: str, names: Sequence[str], facts: Sequence[Mapping[str, str]]) -> Table:
    """A table of the facts of each run, label -> value, a column a run; without rows where no run has any."""
    labels = dict.fromkeys(label for run in facts for label in run)
    rows = [(label, *(run.get(label, "–") for run in facts)) for label in labels]
    columns = ("value",) if len(names) == 1 else tuple(names)
    return Table(title, ("", *columns), rows, labels=1 + len(columns))


def markdown(found: Sequence[Table]) -> str:
    """`found` as Markdown. Text from outside cannot break a table or become markup."""
    return "\n".join(_markdown_table(table) for table in found)


def percent(value: float | None) -> str:
    """A share from 0 to 1 as people read it."""
    return "–" if value is None else f"{100 * value:.1f} %"


def interval(estimate: Estimate | AtK) -> str:
    """The interval of a share in per cent, as people read it."""
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"{100 * estimate.low:.1f} – {100 * estimate.high:.1f}"


def _markdown_table(table: Table) -> str:
    lines = [
        f"## {_cell(table.title)}\n",
        "| " + " | ".join(map(_cell, table.columns)) + " |",
        "|" + "|".join(" --- " if number < table.labels else " ---: " for number, _ in enumerate(table.columns)) + "|",
        *("| " + " | ".join(map(_cell, row)) + " |" for row in table.rows),
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("&", "&amp;").replace("<", "&lt;")
    return escaped.replace("`", "\\`").replace("[", "\\[")
