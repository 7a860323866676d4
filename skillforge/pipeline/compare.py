"""Compare: two runs over the same problems."""

from __future__ import annotations

from pathlib import Path

from skillforge.errors import SkillForgeError, UsageError
from skillforge.metrics.compare import Comparison, compare
from skillforge.parts.grader import VerdictState
from skillforge.pipeline.tables import Table, percent
from skillforge.runs.directory import RunDirectory
from skillforge.runs.manifest import differences


def compare_runs(first: Path, second: Path, *, common_only: bool) -> tuple[Comparison, list[str]]:
    """How `second` differs from `first`, and in which settings they differ.

    Raises UsageError for runs of other benchmarks, splits or data, and for different problems unless `common_only`.
    """
    a, b = RunDirectory.open(first), RunDirectory.open(second)
    for what in ("benchmark", "split", "data"):
        old, new = a.manifest.identity.get(what), b.manifest.identity.get(what)
        if old != new and not common_only:
            raise UsageError(
                f"the runs differ in {'; '.join(differences(old, new, what))}",
                "compare runs of one benchmark and split",
            )
    changed = differences(a.manifest.identity, b.manifest.identity)
    return compare(_states(a), _states(b), common_only=common_only), changed


def _states(run: RunDirectory) -> dict[str, list[VerdictState]]:
    found: dict[str, list[VerdictState]] = {}
    for key, verdict in run.verdicts().items():
        found.setdefault(key.problem_id, []).append(verdict.state)
    if not found:
        raise SkillForgeError(f"{run.path} has no verdicts", f"grade it: skillforge grade {run.path}")
    return found


def comparison_tables(comparison: Comparison, changed: list[str], first: str, second: str) -> list[Table]:
    """The comparison as tables for people."""
    c = comparison
    interval = "–" if c.low is None or c.high is None else f"{100 * c.low:+.1f} – {100 * c.high:+.1f} points"
    difference = "–" if c.difference is None else f"{100 * c.difference:+.1f} points"
    test = "–" if c.p_value is None else f"p = {c.p_value:.2g} ({c.test})"
    rows = [
        (f"accuracy of {first}", percent(c.accuracy_a)),
        (f"accuracy of {second}", percent(c.accuracy_b)),
        ("difference", difference),
        ("95 % interval", interval),
        ("test of no difference", test),
        ("problems compared", str(c.problems)),
        ("better, worse", f"{c.better}, {c.worse}"),
        ("left out: errors only; only in one run", f"{c.left_out}; {c.only_a} and {c.only_b}"),
    ]
    found = [Table("Comparison", ("", "value"), rows, labels=2)]
    if changed:
        found.append(Table("What differs", ("setting",), [(line,) for line in changed]))
    if c.gained or c.lost:
        flips = [("gained", _some(c.gained)), ("lost", _some(c.lost))]
        found.append(Table("Problems that flipped", ("", "problems"), flips, labels=2))
    return found


def _some(ids: list[str], most: int = 50) -> str:
    return f"{len(ids)}: " + ", ".join(ids[:most]) + (" …" if len(ids) > most else "")
