"""Evaluate: problems to samples to verdicts to a summary, in one run directory."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import Interrupted, SkillForgeError
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.parts.backend import Backend, Client
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.grader import Verdict
from skillforge.parts.sample import Sample, SampleKey
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import Judging, in_order, open_judging, outcome_of, summarise
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.report import write_summary
from skillforge.pipeline.settings import stored
from skillforge.registry import Registry
from skillforge.rollout.dispatch import Dispatcher
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.pool import run_pool
from skillforge.rollout.single_turn import Job, single_turn
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.flushing import flushing
from skillforge.runs.manifest import Manifest
from skillforge.runs.rows import RowLog

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


class _Stored:
    """What an earlier start of a run left."""

    def __init__(self) -> None:
        self.count = 0
        self.done: dict[str, int] = {}
        """Problem id -> bit mask of stored sample indices."""
        self.unjudged: set[SampleKey] = set()

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
            total = self._plan.count_problems() * self._plan.settings.repeats
            self._observer.started(f"{self._plan.benchmark.part.name}/{self._plan.split}", total, stored.count)
            try:
                summary = run_interruptibly(lambda: self._complete(stored, stored.count < total, samples, verdicts))
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
        for sample in self._run.samples():
            if sample.state == "error" and retry_errors:
                continue
            stored.add(sample)
            verdict: Verdict | None = judged.get(sample.key)
            stale = verdict is not None and verdict.state == "error" and sample.state == "done"  # of a failed attempt
            if verdict is None or stale:
                stored.unjudged.add(sample.key)
            else:
                self._tally.add(outcome_of(sample, verdict, self._subset_fields))
        return stored

    async def _complete(self, stored: _Stored, incomplete: bool, samples: RowLog, verdicts: RowLog) -> Summary:
        """Judge what is stored without a verdict, ask for what is missing, and sum up."""
        grader, style = self._plan.grader, self._plan.prompt.part
        async with (
            flushing(samples, verdicts),
            open_judging(grader, style, self._registry, self._run.path) as judging,
        ):
            if stored.unjudged:
                left = (sample for sample in self._run.samples() if sample.key in stored.unjudged)
                async with contextlib.aclosing(in_order(judging, left)) as judged:
                    async for sample, verdict in judged:
                        self._settle(sample, verdict, verdicts)
            if incomplete:
                await self._ask(judging, stored.done, samples, verdicts)
            return await summarise(self._tally, judging, self._run.manifest.wall_seconds)

    async def _ask(self, judging: Judging, done: dict[str, int], samples: RowLog, verdicts: RowLog) -> None:
        backend: Backend = self._plan.backend.part
        _allow_many_connections()
        async with backend.open(self._plan.target, self._plan.backend.options) as client:
            await client.check()
            started = time.monotonic()
            try:
                await self._roll_out(client, judging, done, samples, verdicts)
            finally:
                self._run.manifest.wall_seconds += time.monotonic() - started

    async def _roll_out(
        self, client: Client, judging: Judging, done: dict[str, int], samples: RowLog, verdicts: RowLog
    ) -> None:
        """Ask for all that is missing; samples are judged on the side, and a bounded number waits for it."""
        limiter = Limiter(self._plan.settings.concurrency or client.default_concurrency)
        dispatcher = Dispatcher(client, limiter, self._plan.settings.retries)
        room = asyncio.Semaphore(UNJUDGED)

        async def work(job: Job) -> Sample:
            sample = await single_turn(job, self._plan.sampling, dispatcher)
            samples.append(sample)
            await room.acquire()
            return sample

        async def judge(sample: Sample) -> None:
            verdict = await judging.judge(sample)
            room.release()
            self._settle(sample, verdict, verdicts)
            self._observer.sample(sample, verdict, limiter.limit)
            self._tell("skillforge_sample_finished", sample=sample, verdict=verdict)

        def finished(sample: Sample) -> None:
            judged.create_task(judge(sample))

        with _first_fault():
            async with asyncio.TaskGroup() as judged:
                await run_pool(self._plan.jobs(done), work, finished, limiter)

    def _settle(self, sample: Sample, verdict: Verdict, log: RowLog) -> None:
        log.append(VerdictRow.of(sample, verdict))
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


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as the system lets us: the usual 1024 is less than a server may take."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _first_fault() -> Iterator[None]:
    """Of the faults of a group of tasks, raise the first as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
