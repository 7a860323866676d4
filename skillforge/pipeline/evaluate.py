"""Evaluate: problems to samples to verdicts to a summary, in one run directory."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import Interrupted, SkillForgeError
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.parts.backend import Backend, Client
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.grader import Verdict
from skillforge.parts.sample import Sample
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import Judge, outcome_of
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
from skillforge.runs.manifest import Manifest
from skillforge.runs.rows import FLUSH_SECONDS, RowLog


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


class _Evaluation:
    """The state of one evaluation while it runs."""

    def __init__(self, plan: Plan, run: RunDirectory, registry: Registry, observer: Observer) -> None:
        benchmark: Benchmark = plan.benchmark.part
        self._plan = plan
        self._run = run
        self._events = registry.events.hook
        self._observer = observer
        self._judge = Judge(plan.grader.part, plan.grader.options, plan.prompt.part)
        self._subset_fields = benchmark.subset_fields
        self._tally = Tally(benchmark.subset_fields)
        self._faulty_events: set[str] = set()

    def run(self, retry_errors: bool) -> Summary:
        with self._run.sample_log() as samples, self._run.verdict_log(samples) as verdicts:
            done = self._take_stock(verdicts, retry_errors)
            self._tell("skillforge_run_started", run=msgspec.to_builtins(self._run.manifest))
            stored_before = sum(mask.bit_count() for mask in done.values())
            total = self._plan.count_problems() * self._plan.settings.repeats
            self._observer.started(f"{self._plan.benchmark.part.name}/{self._plan.split}", total, stored_before)
            try:
                if stored_before < total:
                    run_interruptibly(lambda: self._ask(done, samples, verdicts))
            finally:
                self._observer.finished()
        summary = self._tally.summary(self._judge.grader.group, self._run.manifest.wall_seconds or None)
        write_summary(self._run, summary)
        self._tell(
            "skillforge_run_finished", run=msgspec.to_builtins(self._run.manifest), summary=msgspec.to_builtins(summary)
        )
        return summary

    def _take_stock(self, log: RowLog, retry_errors: bool) -> dict[str, int]:
        """Count what an earlier start of this run left: problem id -> bit mask of stored sample indices."""
        done: dict[str, int] = {}
        judged = self._run.verdicts()
        for sample in self._run.samples():
            if sample.state == "error" and retry_errors:
                continue
            verdict: Verdict | None = judged.get(sample.key)
            stale = verdict is not None and verdict.state == "error" and sample.state == "done"  # of a failed attempt
            if verdict is None or stale:
                verdict = self._judge.judge(sample)
                log.append(VerdictRow.of(sample, verdict))
            done[sample.problem.id] = done.get(sample.problem.id, 0) | 1 << sample.sample_index
            self._tally.add(outcome_of(sample, verdict, self._subset_fields))
        return done

    async def _ask(self, done: dict[str, int], samples: RowLog, verdicts: RowLog) -> None:
        backend: Backend = self._plan.backend.part
        _allow_many_connections()
        async with backend.open(self._plan.target, self._plan.backend.options) as client:
            await client.check()
            started = time.monotonic()
            try:
                await self._roll_out(client, done, samples, verdicts)
            finally:
                self._run.manifest.wall_seconds += time.monotonic() - started

    async def _roll_out(self, client: Client, done: dict[str, int], samples: RowLog, verdicts: RowLog) -> None:
        limiter = Limiter(self._plan.settings.concurrency or client.default_concurrency)
        dispatcher = Dispatcher(client, limiter, self._plan.settings.retries)

        async def work(job: Job) -> Sample:
            return await single_turn(job, self._plan.sampling, dispatcher)

        def finished(sample: Sample) -> None:
            samples.append(sample)
            verdict = self._judge.judge(sample)
            verdicts.append(VerdictRow.of(sample, verdict))
            self._tally.add(outcome_of(sample, verdict, self._subset_fields))
            self._observer.sample(sample, verdict, limiter.limit)
            self._tell("skillforge_sample_finished", sample=sample, verdict=verdict)

        async with flushing(samples, verdicts):
            await run_pool(self._plan.jobs(done), work, finished, limiter)

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


@contextlib.asynccontextmanager
async def flushing(*logs: RowLog) -> AsyncIterator[None]:
    """Write out what `logs` buffer every second, however slowly rows come."""

    async def flush() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for log in logs:
                log.flush()

    task = asyncio.create_task(flush())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
