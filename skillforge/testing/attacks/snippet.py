"""Hostile snippets, and the header that says what each may come to.

The first lines of a snippet are comments `# NAME: TEXT`:

    expect   statuses that it may end with, joined by `|`; any other text is for people, and every status is right
    what     what it tries, in one line
    state    states that the session may be left in, joined by `|`
    absent   text that must not be in what it prints or in its value; may be given several times
    shows    text that must be there; may be given several times
    limit    seconds that it may run, where it does all that it does in fewer than the usual and then waits for its end
    times    how often the lines below the header are repeated to make up the code
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import get_args

import msgspec

from skillforge.errors import UsageError
from skillforge.parts.sandbox import Execution, ExecutionStatus, SessionState
from skillforge.text import one_line

SUITE = Path(__file__).with_name("suite")
LIMIT = 3.0
"""Seconds that a snippet may run unless its header says otherwise."""

STATUSES: frozenset[str] = frozenset(get_args(ExecutionStatus))
STATES: frozenset[str] = frozenset(get_args(SessionState))

_LINE = re.compile("# *(expect|what|state|absent|shows|limit|times):")


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A program that tries to break out of a sandbox, or to break it."""

    name: str
    what: str
    code: str
    statuses: frozenset[str] = STATUSES - {"sandbox-error"}
    states: frozenset[str] = STATES
    absent: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    limit: float = LIMIT

    def violations(self, execution: Execution) -> list[str]:
        """What `execution`, of this code, is against the header."""
        printed = "\n".join((execution.stdout, execution.value or "", execution.late_output))
        found = [f"it prints {text!r}" for text in self.absent if text in printed]
        found += [f"it does not print {text!r}" for text in self.shows if text not in printed]
        if execution.status not in self.statuses:
            detail = f" ({one_line(execution.detail, 80)})" if execution.detail else ""
            found.append(f"the status is {execution.status}{detail}, not {' or '.join(sorted(self.statuses))}")
        if execution.state not in self.states:
            found.append(f"the state is {execution.state}, not {' or '.join(sorted(self.states))}")
        return found


def read_snippets(folder: Path = SUITE) -> list[Snippet]:
    """The snippets in the files `folder`/*.py, by name. Raises UsageError."""
    paths = sorted(folder.glob("*.py"))
    if not paths:
        raise UsageError(f"there are no snippets in {folder}", "name a folder with *.py files")
    return [_read(path) for path in paths]


def _read(path: Path) -> Snippet:
    try:
        lines = path.read_bytes().decode().splitlines(keepends=True)
        return _parse(path.stem, lines)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the snippet {path} ({one_line(str(error))})", "correct the file") from None


def _parse(name: str, lines: Sequence[str]) -> Snippet:
    header = list(takewhile(_LINE.match, lines))
    given: defaultdict[str, list[str]] = defaultdict(list)
    for line in header:
        key, _, text = line.lstrip("# ").partition(":")
        given[key].append(text.strip())
    expected = " ".join(given["expect"])
    times = int(given["times"][0]) if given["times"] else 1
    return Snippet(
        name=name,
        what=" ".join(given["what"]) or expected,
        code="".join(header) + "".join(lines[len(header) :]) * times,
        statuses=_names(expected, STATUSES) or STATUSES - {"sandbox-error"},
        states=_names(" ".join(given["state"]), STATES) or STATES,
        absent=tuple(given["absent"]),
        shows=tuple(given["shows"]),
        limit=float(given["limit"][0]) if given["limit"] else LIMIT,
    )


def _names(text: str, known: frozenset[str]) -> frozenset[str]:
    """The names in `text`, joined by `|`; none where it is anything else."""
    names = frozenset(name.strip() for name in text.split("|"))
    return names if names <= known else frozenset()
