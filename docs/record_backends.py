"""Records what each backend was seen to do: `python docs/record_backends.py build/tests.xml [--check]`.

A contract test on a real server or library records its results as a property of its test: the name is "backend: " and what
was tried, the value JSON, check -> why it was skipped, or null where it passed. They are collected as marks in
docs/reference/backends.json, from which `python docs/generate.py` writes the table. What the given file does not tell of
stays. With --check nothing is written, and the exit status is 1 where the file tells otherwise than what is stored.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import dropwhile
from pathlib import Path
from xml.etree import ElementTree

STORED = Path(__file__).parent / "reference" / "backends.json"
PREFIX = "backend: "
INCAPABLE = "the backend is not capable of"
FIRST = "opens"
"""The first check that calls the real thing; those before it are of the declaration."""

Marks = dict[str, str]


def main() -> None:
    given = [argument for argument in sys.argv[1:] if argument != "--check"]
    stored: dict[str, Marks] = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    found = list(_recorded(Path(given[0])))
    if others := list(_disagreements(found)):
        sys.exit("\n".join(others))
    if "--check" not in sys.argv:
        merged = stored | dict(found)
        text = json.dumps({column: merged[column] for column in sorted(merged)}, indent=1, ensure_ascii=False)
        STORED.write_text(text + "\n", encoding="utf-8")
    elif others := list(_differences(stored, found)):
        sys.exit("\n".join([*others, f"run 'python docs/record_backends.py {given[0]}' and 'python docs/generate.py'"]))


def _recorded(path: Path) -> Iterator[tuple[str, Marks]]:
    for each in ElementTree.parse(path).iter("property"):
        name = each.get("name", "")
        if name.startswith(PREFIX):
            results: dict[str, str | None] = json.loads(each.get("value", "{}"))
            real = dropwhile(lambda check: check != FIRST, results)
            yield name.removeprefix(PREFIX), {check: _mark(results[check]) for check in real}


def _mark(why_skipped: str | None) -> str:
    if why_skipped is None:
        return "✓"
    return "–" if why_skipped.startswith(INCAPABLE) else "?"


def _disagreements(found: Iterable[tuple[str, Marks]]) -> Iterator[str]:
    """Where tests that record the same column saw different things."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for column, marks in found:
        for check, mark in marks.items():
            seen[column, check].add(mark)
    for (column, check), marks_of in seen.items():
        if len(marks_of) > 1:
            yield f"{column}: tests differ on {check}: {' and '.join(sorted(marks_of))}"


def _differences(stored: Mapping[str, Marks], found: Iterable[tuple[str, Marks]]) -> Iterator[str]:
    for column, marks in found:
        before = stored.get(column, {})
        for check in dict.fromkeys((*before, *marks)):
            if before.get(check) != marks.get(check):
                yield f"{column}: {check} is {marks.get(check)}, and docs/reference/backends.json says {before.get(check)}"


if __name__ == "__main__":
    main()
