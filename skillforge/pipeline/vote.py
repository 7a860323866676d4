"""Vote: one answer a problem out of the stored samples of a run, without the model that wrote them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.metrics.summary import Summary
from skillforge.metrics.votes import VoteSummary
from skillforge.options import describe
from skillforge.parts.grader import Verdict
from skillforge.parts.sample import SampleKey
from skillforge.pipeline.grade import Judges, no_samples
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import open_judging
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.ordered import in_order
from skillforge.pipeline.report import read_summary, write_summary
from skillforge.pipeline.resolve import Chosen, choose_part
from skillforge.pipeline.voting import Judged, bare_sample, open_voting, summed_up
from skillforge.registry import Registry
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.votes import VoteRow, write_votes

DEFAULT_VOTER = "majority"
WINDOW = 64
"""Problems that are voted on at once."""


class VoteResult(msgspec.Struct, frozen=True):
    """What voting over a run came to."""

    votes: VoteSummary
    summary: Summary
    """The metrics of the run, with the votes."""

    run_voter: str | None
    """The voter that the run was made with."""


def vote(
    path: Path,
    voter_name: str | None,
    options: Mapping[str, Any],
    samples: int | None,
    registry: Registry,
    observer: Observer,
) -> VoteResult:
    """Vote over the samples of the run in `path`, of each problem the first `samples` (default: all), and store it.

    Writes votes.jsonl, and the votes into the summary; samples and verdicts stay as they are. Raises SkillForgeError.
    """
    run = RunDirectory.open(path)
    voter = choose_part("voter", voter_name or DEFAULT_VOTER, options, registry)
    _refuse_making(voter, options)
    with run.locked():
        electorate = _Electorate(run, samples)
        summary = read_summary(run)
        judges = Judges(run, None, None, registry)
        observer.started(f"voting on {path.name}", electorate.problems, 0)
        try:
            rows = run_interruptibly(lambda: _all_votes(run, electorate, judges, voter, registry, observer))
        finally:
            observer.finished()
        votes = summed_up(voter, rows, observer)
        write_votes(path, rows)
        summary = msgspec.structs.replace(summary, vote=votes)
        write_summary(run, summary)
    return VoteResult(votes, summary, run.manifest.resolved.get("voter"))


def _refuse_making(voter: Chosen, options: Mapping[str, Any]) -> None:
    """Raises UsageError for options about how samples are made: these are there."""
    for field in describe(type(voter.options)):
        if field.making and field.name in options:
            raise UsageError(
                f"voter.{field.name} says how samples are made, and this vote is over those that a run has",
                "leave it out; --samples NUMBER votes over the first samples of each problem",
            )


class _Electorate:
    """The judged samples of a run, problem by problem."""

    def __init__(self, run: RunDirectory, samples: int | None) -> None:
        self._run = run
        self._verdicts: dict[SampleKey, VerdictRow] = run.verdicts()
        made = run.count_samples()
        if not made:
            raise no_samples(run)
        if made > len(self._verdicts):
            raise _not_judged(run)
        if all(row.answer is None for row in self._verdicts.values() if row.state in ("correct", "wrong")):
            raise UsageError(
                f"the grader of {run.path} names no answers, so there is nothing to vote on",
                "judge it by another: skillforge grade RUN --grader NAME",
            )
        self._voting = set(_first(self._verdicts, samples))
        self._sizes = Counter(key.problem_id for key in self._voting)
        self.problems = len(self._sizes)
        if max(self._sizes.values()) < 2:
            raise UsageError(
                f"{run.path} has one sample of each problem to vote on",
                "make more of them with --repeats, or raise --samples",
            )

    def by_problem(self) -> Iterator[list[Judged]]:
        """The judged samples of each problem. Held are those of problems of which some are still to come."""
        waiting: dict[str, list[Judged]] = {}
        for sample in self._run.samples():
            key = sample.key
            if key not in self._verdicts:
                raise _not_judged(self._run)
            if key in self._voting:
                held = waiting.setdefault(key.problem_id, [])
                held.append((sample, self._verdicts[key]))
                if len(held) == self._sizes[key.problem_id]:
                    yield waiting.pop(key.problem_id)
        if waiting:
            raise SkillForgeError(
                f"{self._run.samples_path} lacks samples that have verdicts", "restore it, or grade what is there"
            )


def _first(keys: Iterable[SampleKey], samples: int | None) -> Iterator[SampleKey]:
    """Of each problem the keys of the first `samples` that are there."""
    indices: dict[str, list[int]] = {}
    for key in keys:
        indices.setdefault(key.problem_id, []).append(key.sample_index)
    for problem_id, found in indices.items():
        yield from (SampleKey(problem_id, index) for index in sorted(found)[:samples])


def _not_judged(run: RunDirectory) -> SkillForgeError:
    return SkillForgeError(f"{run.path} has samples without a verdict", f"judge them: skillforge grade {run.path}")


async def _all_votes(
    run: RunDirectory,
    electorate: _Electorate,
    judges: Judges,
    voter: Chosen,
    registry: Registry,
    observer: Observer,
) -> list[VoteRow]:
    rows = []

    async def held(judged: Sequence[Judged]) -> VoteRow:
        return await voting.vote(judged[0][0].problem, judged)

    async with (
        open_judging(judges.grader, judges.style, registry, run.path, observer.note) as judging,
        open_voting(voter, judging, registry, run.path, observer.note) as voting,
        contextlib.aclosing(in_order(electorate.by_problem(), held, WINDOW)) as votes,
    ):
        async for judged, row in votes:
            rows.append(msgspec.structs.replace(row, afterwards=True))
            told = bare_sample(judged[0][0], row.answer or "")
            observer.sample(told, Verdict(state=row.state, answer=row.answer), None)
        if voting.lack is not None and all(row.state == "error" for row in rows):
            raise voting.lack
    return rows
