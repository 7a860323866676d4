"""Grade: judge the stored samples of a run again, without the model that wrote them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import Interrupted, SkillForgeError
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.options import identity
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sample import Sample
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import open_judging, outcome_of, summarise
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.ordered import in_order
from skillforge.pipeline.report import write_summary
from skillforge.pipeline.resolve import Chosen, choose_grader, described
from skillforge.registry import Registry
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.flushing import flushing
from skillforge.runs.manifest import Manifest, manifest_path
from skillforge.runs.regrading import Regrading
from skillforge.runs.rows import RowLog
from skillforge.runs.votes import VOTES
from skillforge.text import one_line


def grade(
    path: Path, grader_name: str | None, options: dict[str, Any] | None, registry: Registry, observer: Observer
) -> Summary:
    """Judge all samples of the run in `path` with `grader_name` (default: the run's own) and write its summary anew.

    verdicts.jsonl is replaced whole at the end, samples.jsonl is never touched. Stopped or killed before, the same call
    continues. Raises SkillForgeError; Interrupted after Ctrl-C or SIGTERM.
    """
    run = RunDirectory.open(path)
    with run.locked():
        judges = Judges(run, grader_name, options, registry)
        total = run.count_samples()
        if not total:
            raise no_samples(run)
        if run.is_torn():
            observer.note(f"the last line of {run.samples_path} is cut off: its sample is not judged")
        regrading = Regrading(run, judges.decide())
        with regrading.log() as log, _kept(path):
            summary = _Grading(run, judges, registry, observer).run(regrading, log, total)
        _record_grader(run.manifest, judges.grader)
        if (votes := path / VOTES).exists():
            votes.unlink()
            observer.note(f"its votes were held over the old verdicts; hold them again: skillforge vote {path}")
        write_summary(run, summary)
        run.save_manifest()
        regrading.finish()  # last: killed before, the same command has the verdicts still, and repeats the rest
        return summary


def no_samples(run: RunDirectory) -> SkillForgeError:
    """What to tell of a run without samples."""
    evaluated = run.manifest.command == "eval"
    fix = f"continue it: skillforge eval --resume {run.path}" if evaluated else f"restore {run.samples_path}"
    return SkillForgeError(f"{run.path} has no samples to grade", fix)


class _Recorded(msgspec.Struct):
    """What a grading relies on in run.json's `resolved`."""

    grader: str
    options: dict[str, dict[str, Any]]
    prompt: str | None = None
    subset_fields: tuple[str, ...] = ()


class _Given(msgspec.Struct):
    """What a grading relies on in run.json's `settings`."""

    benchmark: str | None = None
    options: dict[str, dict[str, Any]] = {}


def _checked(run: RunDirectory) -> tuple[_Recorded, _Given]:
    """Raises SkillForgeError where somebody has changed run.json into something else."""
    try:
        return msgspec.convert(run.manifest.resolved, _Recorded), msgspec.convert(run.manifest.settings, _Given)
    except msgspec.ValidationError as error:
        path = manifest_path(run.path)
        raise SkillForgeError(f"{path}: not a valid manifest ({one_line(str(error))})", "restore the file") from error


class Judges:
    """Who judges the samples of a run: a grader, and the prompt style that may read the answer for it."""

    def __init__(
        self, run: RunDirectory, grader_name: str | None, options: dict[str, Any] | None, registry: Registry
    ) -> None:
        """The grader called `grader_name`, by default the run's own; `options` go over those that the run has for it."""
        recorded, given = _checked(run)
        name = recorded.grader if grader_name is None else grader_name
        own = registry.find("grader", name).id == recorded.grader
        options = {**(recorded.options.get("grader", {}) if own else {}), **(options or {})}
        self.grader = choose_grader(name, options, _benchmark(given.benchmark, registry), registry)
        self.subset_fields = recorded.subset_fields
        style = registry.get("prompt", recorded.prompt) if recorded.prompt else None
        assert style is None or isinstance(style, PromptStyle)
        self.style = style

    def decide(self) -> list[Any]:
        """What decides the verdicts, as plain data."""
        return [self.grader.id, self.grader.version, identity(self.grader.options), self.style and self.style.name]


def _benchmark(name: str | None, registry: Registry) -> Benchmark | None:
    """The benchmark of a run, where there is one and it is installed here."""
    if name:
        with contextlib.suppress(SkillForgeError):
            part = registry.get("benchmark", name)
            assert isinstance(part, Benchmark)
            return part
    return None


@contextlib.contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Tells who stops a grading how to go on."""
    try:
        yield
    except Interrupted as error:
        fix = f"the verdicts so far are kept, and the same command continues; those of {path} are as they were"
        raise Interrupted(error.what, fix) from None


class _Grading:
    """The state of one grading while it runs."""

    def __init__(self, run: RunDirectory, judges: Judges, registry: Registry, observer: Observer) -> None:
        self._run = run
        self._judges = judges
        self._registry = registry
        self._observer = observer
        self._subset_fields = judges.subset_fields
        self._tally = Tally(self._subset_fields)

    def run(self, regrading: Regrading, log: RowLog, total: int) -> Summary:
        samples = self._run.samples()
        already = 0
        for sample, verdict in regrading.verdicts(samples):
            self._tally.add(outcome_of(sample, verdict, self._subset_fields))
            already += 1
        self._observer.started(f"grading {self._run.path.name}", total, already)
        try:
            return run_interruptibly(lambda: self._judge(samples, log))
        finally:
            self._observer.finished()

    async def _judge(self, samples: Iterator[Sample], log: RowLog) -> Summary:
        judges = self._judges
        async with (
            flushing(log),
            open_judging(judges.grader, judges.style, self._registry, self._run.path, self._observer.note) as judging,
            contextlib.aclosing(in_order(samples, judging.judge)) as judged,
        ):
            async for sample, verdict in judged:
                log.append(VerdictRow.of(sample, verdict))
                self._tally.add(outcome_of(sample, verdict, self._subset_fields))
                self._observer.sample(sample, verdict, None)
            return await summarise(self._tally, judging, self._run.manifest)


def _record_grader(manifest: Manifest, grader: Chosen) -> None:
    """Say in run.json who judged, so that a resumed run is judged by the same."""
    options = msgspec.to_builtins(grader.options)
    manifest.plugins = {id: version for id, version in manifest.plugins.items() if id != manifest.resolved["grader"]}
    manifest.plugins[grader.id] = grader.version
    manifest.resolved["grader"] = manifest.settings["grader"] = grader.id
    manifest.resolved["judged_by"] = described(grader)
    manifest.resolved["options"]["grader"] = options
    manifest.settings.setdefault("options", {})["grader"] = options
    manifest.identity.setdefault("options", {})["grader"] = {"id": grader.id, **identity(grader.options)}
