"""Verdict diff: the samples that two gradings disagree on."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.parts.grader import ModelGrader, Verdict
from skillforge.parts.sample import SampleKey
from skillforge.pipeline.grade import Judges, no_samples
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import open_judging
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.ordered import in_order
from skillforge.pipeline.tables import Table
from skillforge.registry import Registry
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.rows import read_rows
from skillforge.text import one_line


class Change(msgspec.Struct, frozen=True):
    """A sample whose verdict has another state than before."""

    problem_id: str
    sample_index: int
    expected_answer: str | None
    old: Verdict
    new: Verdict


class VerdictDiff(msgspec.Struct):
    """How new verdicts differ from old ones."""

    compared: int = 0
    changed: list[Change] = []
    other_answer: int = 0
    """Verdicts of the same state on another answer."""

    only_old: int = 0
    only_new: int = 0

    def add(self, key: SampleKey, expected: str | None, old: Verdict, new: Verdict) -> None:
        self.compared += 1
        if old.state != new.state:
            self.changed.append(Change(*key, expected, _plain(old), _plain(new)))
        elif old.answer != new.answer:
            self.other_answer += 1

    def transitions(self) -> Counter[str]:
        """`wrong -> correct` and the like, with how many there are."""
        return Counter(f"{change.old.state} -> {change.new.state}" for change in self.changed)


def _plain(verdict: Verdict) -> Verdict:
    return Verdict(state=verdict.state, answer=verdict.answer, reason=verdict.reason, score=verdict.score)


def diff_stored(old: Path, new: Path) -> VerdictDiff:
    """How the verdicts in `new` differ from those in `old`; each is a run's folder, or a file of verdicts.

    Expected answers are those of a run among them.
    """
    before, after = _verdicts(old), _verdicts(new)
    sets = [{(row.benchmark, row.split) for row in rows.values()} for rows in (before, after)]
    if sets[0].isdisjoint(sets[1]):
        shown = [", ".join(sorted("/".join(pair) for pair in pairs)) for pairs in sets]
        raise UsageError(f"{old} holds {shown[0]}, and {new} holds {shown[1]}", "name two runs of the same problems")
    diff = VerdictDiff(only_old=len(before.keys() - after.keys()), only_new=len(after.keys() - before.keys()))
    changed = {key for key in before.keys() & after.keys() if before[key].state != after[key].state}
    expected = _expected_answers((new, old), changed)
    for key, verdict in before.items():
        if key in after:
            diff.add(key, expected.get(key), verdict, after[key])
    return diff


def _verdicts(path: Path) -> dict[SampleKey, VerdictRow]:
    file = path if path.is_file() else RunDirectory.open(path).verdicts_path
    found = {row.key: row for row in read_rows(file, VerdictRow)}
    if not found:
        raise SkillForgeError(f"{path} has no verdicts", f"grade it: skillforge grade {path}")
    return found


def _expected_answers(paths: Iterable[Path], keys: set[SampleKey]) -> dict[SampleKey, str | None]:
    run = next((RunDirectory.open(path) for path in paths if path.is_dir()), None)
    samples = run.samples() if run and keys else ()
    return {sample.key: sample.problem.expected_answer for sample in samples if sample.key in keys}


def diff_anew(
    path: Path, grader_name: str | None, options: dict[str, Any] | None, registry: Registry, observer: Observer
) -> VerdictDiff:
    """How a grader's verdicts would differ from the stored ones of the run in `path`. Stores no verdict."""
    run = RunDirectory.open(path)
    judges = Judges(run, grader_name, options, registry)
    stored = _verdicts(path)
    total = run.count_samples()
    if not total:
        raise no_samples(run)
    diff = VerdictDiff(only_old=len(stored))

    async def work() -> None:
        async with (
            open_judging(judges.grader, judges.style, registry, path, observer.note) as judging,
            contextlib.aclosing(in_order(run.samples(), judging.judge)) as judged,
        ):
            async for sample, verdict in judged:
                observer.sample(sample, verdict, None)
                if sample.key in stored:
                    diff.add(sample.key, sample.problem.expected_answer, stored[sample.key], verdict)
                    diff.only_old -= 1
                else:
                    diff.only_new += 1

    with run.locked() if isinstance(judges.grader.part, ModelGrader) else contextlib.nullcontext():
        observer.started(f"comparing {path.name}", total, 0)
        try:
            run_interruptibly(work)
        finally:
            observer.finished()
    return diff


def diff_tables(diff: VerdictDiff) -> list[Table]:
    """The differences as tables for people; two lines for each changed verdict."""
    facts = [("verdicts compared", f"{diff.compared:,}"), ("changed", f"{len(diff.changed):,}")]
    facts += [(f"  {change}", f"{count:,}") for change, count in diff.transitions().most_common()]
    facts += [("same state, another answer", f"{diff.other_answer:,}")]
    facts += [("only old, only new", f"{diff.only_old:,}, {diff.only_new:,}")]
    found = [Table("Verdicts", ("", "value"), facts)]
    if diff.changed:
        rows = [row for change in diff.changed for row in _rows(change)]
        found.append(Table("Changed", ("sample", "", "verdict", "answer", "reason"), rows, labels=5))
    return found


def _rows(change: Change) -> Iterator[tuple[str, ...]]:
    expected = "–" if change.expected_answer is None else one_line(change.expected_answer, 60)
    labels = (f"{one_line(change.problem_id, 60)}/{change.sample_index}", f"expected {expected}")
    for label, name, verdict in zip(labels, ("old", "new"), (change.old, change.new), strict=True):
        yield label, name, verdict.state, one_line(verdict.answer or "–", 60), one_line(verdict.reason or "", 200)
