"""Evaluate: problems to samples to verdicts to a summary, in one run directory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from skillforge.errors import Interrupted, SkillForgeError
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.metrics.votes import VoteSummary
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.grader import Verdict
from skillforge.parts.sample import Sample, SampleKey
from skillforge.pipeline.elections import Elections
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import Judging, open_judging, outcome_of, summarise
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.ordered import in_order
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.report import write_summary
from skillforge.pipeline.rollouts import Rollouts, open_rollouts
from skillforge.pipeline.settings import stored
from skillforge.pipeline.voting import open_voting, summed_up
from skillforge.registry import Registry
from skillforge.rollout.clock import Clock
from skillforge.rollout.job import Job
from skillforge.rollout.pool import run_pool
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.flushing import flushing
from skillforge.runs.manifest import Manifest
from skillforge.runs.rows import RowLog
from skillforge.runs.votes import VoteRow, read_votes, vote_log
from skillforge.text import one_line

UNJUDGED = 1000
"""Samples that may wait for their verdicts before new answers are taken in."""


def evaluate(plan: Plan, path: Path, registry: Registry, observer: Observer, *, retry_errors: bool = False) -> Summary:
    """Run `plan` in the run directory `path`, which is created, or continued where it holds the same plan.

    Every finished sample is stored at once, so that a killed run continues where it was. With `retry_errors`, samples that
    are stored in state `error` are tried again. Raises SkillForgeError; Interrupted after Ctrl-C or SIGTERM.
    """
    with RunDirectory.writing(path, _new_manifest(plan)) as run:
        run.save_manifest()
        with _ending(run):
            evaluation = _Evaluation(plan, run, registry, observer)
            summary = evaluation.run(retry_errors)
            run.manifest.state = "finished"
        return summary


def _new_manifest(plan: Plan) -> Manifest:
    benchmark: Benchmark = plan.benchmark.part
    return Manifest(
        command="eval",
        settings={**stored(plan.settings), **plan.places()},
        resolved={**plan.resolved(), "subset_fields": list(benchmark.subset_fields)},
        identity=plan.identity(),
        data=plan.source.reads,
        prompt_sha256=plan.prompt_sha256(),
        plugins=plan.plugins(),
    )


@contextlib.contextmanager
def _ending(run: RunDirectory) -> Iterator[None]:
    """Leave the run's state true however the work ends, and say how to go on."""
    try:
        try:
            yield
        except KeyboardInterrupt:  # while no event loop runs, which would tell of it itself
            raise Interrupted("stopped by SIGINT") from None
    except SkillForgeError as error:
        if run.discard_if_empty():
            if isinstance(error, Interrupted):
                raise Interrupted(f"{error.what} before the first sample was finished", "nothing was stored") from None
            raise
        run.manifest.state = "interrupted" if isinstance(error, Interrupted) else "failed"
        run.manifest.error = error.what
        with contextlib.suppress(SkillForgeError):  # the disk may be what is wrong
            run.save_manifest()
        go_on = f"all finished samples are stored; continue with: skillforge eval --resume {run.path}"
        error.args = ("; ".join(filter(None, (error.what, error.fix, go_on))),)
        raise
    except BaseException as error:
        run.manifest.state, run.manifest.error = "failed", f"{type(error).__name__}: {error}"
        run.save_manifest()
        raise
    run.save_manifest()


class _Logs(NamedTuple):
    """What is written while the run goes on; nothing is on disk before what it is about."""

    samples: RowLog
    verdicts: RowLog


class _Stored:
    """What an earlier start of a run left."""

    def __init__(self) -> None:
        self.count = 0
        self.done: dict[str, int] = {}
        """Problem id -> bit mask of stored sample indices."""
        self.unjudged: set[SampleKey] = set()
        self.voted: set[str] = set()
        """Ids of the problems whose vote is stored and stands."""

    def add(self, sample: Sample) -> None:
        self.count += 1
        self.done[sample.problem.id] = self.done.get(sample.problem.id, 0) | 1 << sample.sample_index


class _Evaluation:
    """The state of one evaluation while it runs."""

    def __init__(self, plan: Plan, run: RunDirectory, registry: Registry, observer: Observer) -> None:
        benchmark: Benchmark = plan.benchmark.part
        self._plan = plan
        self._run = run
        self._registry = registry
        self._events = registry.events.hook
        self._observer = observer
        self._subset_fields = benchmark.subset_fields
        self._tally = Tally(benchmark.subset_fields)
        self._faulty_events: set[str] = set()

    def run(self, retry_errors: bool) -> Summary:
        with self._run.sample_log() as samples, self._run.verdict_log(samples) as verdicts:
            stored = self._take_stock(retry_errors)
            self._tell("skillforge_run_started", run=msgspec.to_builtins(self._run.manifest))
            problems = self._plan.count_problems()
            total = problems * self._plan.repeats
            self._observer.started(f"{self._plan.benchmark.part.name}/{self._plan.split}", total, stored.count)
            incomplete = stored.count < total and len(stored.voted) < problems
            try:
                summary = run_interruptibly(lambda: self._complete(stored, incomplete, _Logs(samples, verdicts)))
            finally:
                self._observer.finished()
        write_summary(self._run, summary)
        self._tell(
            "skillforge_run_finished", run=msgspec.to_builtins(self._run.manifest), summary=msgspec.to_builtins(summary)
        )
        return summary

    def _take_stock(self, retry_errors: bool) -> _Stored:
        """Count what an earlier start of this run left."""
        stored = _Stored()
        judged = self._run.verdicts()
        stored.voted.update(row.problem_id for row in self._own_votes())
        for sample in self._run.samples():
            if sample.state == "error" and retry_errors:
                stored.voted.discard(sample.problem.id)
                continue
            stored.add(sample)
            verdict: Verdict | None = judged.get(sample.key)
            stale = verdict is not None and verdict.state == "error" and sample.state == "done"  # of a failed attempt
            if verdict is None or stale:
                stored.unjudged.add(sample.key)
            else:
                self._tally.add(outcome_of(sample, verdict, self._subset_fields))
        return stored

    async def _complete(self, stored: _Stored, incomplete: bool, logs: _Logs) -> Summary:
        """Judge what is stored without a verdict, ask for what is missing, and sum up."""
        grader, style = self._plan.grader, self._plan.prompt.part
        async with (
            flushing(*logs),
            open_judging(grader, style, self._registry, self._run.path, self._observer.note) as judging,
            self._elections(judging, logs) as elections,
        ):
            if stored.unjudged:
                left = (sample for sample in self._run.samples() if sample.key in stored.unjudged)
                async with contextlib.aclosing(in_order(left, judging.judge)) as judged:
                    async for sample, verdict in judged:
                        self._settle(sample, verdict, logs)
            if elections is not None:
                self._recall(elections, stored, logs)
                await elections.settle()
            if incomplete:
                await self._ask(judging, elections, stored.done, logs)
            if elections is not None:
                await elections.finish()
            summary = await summarise(self._tally, judging, self._run.manifest)
            return msgspec.structs.replace(summary, vote=self._vote())

    @contextlib.asynccontextmanager
    async def _elections(self, judging: Judging, logs: _Logs) -> AsyncIterator[Elections | None]:
        if self._plan.voter is None:
            yield None
            return
        with vote_log(self._run.path, logs.verdicts) as votes:
            async with (
                flushing(votes),
                open_voting(self._plan.voter, judging, self._registry, self._run.path, self._observer.note) as voting,
            ):
                yield Elections(self._plan, voting, judging, votes, self._observer)

    def _recall(self, elections: Elections, stored: _Stored, logs: _Logs) -> None:
        """Let the samples that are stored take part in votes that are not held yet."""
        for problem_id in stored.voted:
            elections.close(problem_id)
        if not stored.count:
            return
        logs.verdicts.flush()
        verdicts = self._run.verdicts()
        for sample in self._run.samples():
            kept = stored.done.get(sample.problem.id, 0) >> sample.sample_index & 1
            if kept and sample.problem.id in elections:
                elections.recall(sample, verdicts[sample.key])

    def _vote(self) -> VoteSummary | None:
        if self._plan.voter is None:
            return None
        return summed_up(self._plan.voter, self._own_votes(), self._observer)

    def _own_votes(self) -> list[VoteRow]:
        """The stored votes that this run has held itself."""
        return [row for row in read_votes(self._run.path).values() if not row.afterwards]

    async def _ask(self, judging: Judging, elections: Elections | None, done: dict[str, int], logs: _Logs) -> None:
        async with open_rollouts(self._plan, self._observer.note) as rollouts:
            self._note_versions(rollouts.versions)
            started = time.monotonic()
            try:
                await self._roll_out(rollouts, judging, elections, done, logs)
            finally:
                self._run.manifest.wall_seconds += time.monotonic() - started

    def _note_versions(self, versions: Mapping[str, str]) -> None:
        """Store who generates; what it is was told by others, at any length."""
        told = {one_line(name, 60): one_line(version, 100) for name, version in versions.items()}
        generated_by = self._run.manifest.generated_by
        if told and told not in generated_by:
            generated_by.append(told)
            self._run.save_manifest()

    async def _roll_out(
        self,
        rollouts: Rollouts,
        judging: Judging,
        elections: Elections | None,
        done: dict[str, int],
        logs: _Logs,
    ) -> None:
        """Ask for all that is missing; samples are judged on the side, and a bounded number waits for it."""
        room = asyncio.Semaphore(UNJUDGED)

        async def work(job: Job) -> tuple[Sample, Verdict | None] | None:
            made: tuple[Sample, Verdict | None] | None
            if elections is None:
                made = await rollouts.make(job, Clock()), None
            else:
                made = await elections.make(job, rollouts)
            if made is not None:
                logs.samples.append(made[0])
                await room.acquire()
            return made

        async def judge(sample: Sample, verdict: Verdict | None) -> None:
            verdict = verdict or await judging.judge(sample)
            room.release()
            self._settle(sample, verdict, logs)
            self._observer.sample(sample, verdict, rollouts.limiter.limit)
            self._tell("skillforge_sample_finished", sample=sample, verdict=verdict)
            if elections is not None:
                await elections.take(sample, verdict)

        def finished(made: tuple[Sample, Verdict | None] | None) -> None:
            if made is not None:
                judged.create_task(judge(*made))

        jobs = self._plan.jobs(done)
        with _first_fault():
            async with asyncio.TaskGroup() as judged:
                await run_pool(elections.wanted(jobs) if elections else jobs, work, finished, rollouts.limiter)

    def _settle(self, sample: Sample, verdict: Verdict, logs: _Logs) -> None:
        logs.verdicts.append(VerdictRow.of(sample, verdict))
        self._tally.add(outcome_of(sample, verdict, self._subset_fields))

    def _tell(self, event: str, **what: Any) -> None:
        """Call an event hook; a fault in a plugin is shown once, and that event is not told again."""
        hook = getattr(self._events, event)
        if event in self._faulty_events or not hook.get_hookimpls():
            return
        try:
            hook(**what)
        except Exception as error:
            self._faulty_events.add(event)
            self._observer.note(f"a plugin's {event} raised {type(error).__name__}: {error}; it is not called again")


@contextlib.contextmanager
def _first_fault() -> Iterator[None]:
    """Of the faults of a group of tasks, raise the first as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
