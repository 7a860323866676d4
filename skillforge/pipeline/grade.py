"""Grade: judge the stored samples of a run again, without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.options import identity, parse
from skillforge.parts.grader import Grader
from skillforge.parts.prompt import PromptStyle
from skillforge.pipeline.judging import Judge, outcome_of
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.report import write_summary
from skillforge.registry import PartEntry, Registry
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.rows import write_lines_atomically


def grade(
    path: Path, grader_name: str | None, options: dict[str, Any] | None, registry: Registry, observer: Observer
) -> Summary:
    """Judge all samples of the run in `path` with `grader_name` (default: the run's own) and write its summary anew.

    verdicts.jsonl is replaced whole at the end; samples.jsonl is never touched.
    """
    run = RunDirectory.open(path)
    with run.locked():
        resolved = run.manifest.resolved
        entry = registry.find("grader", grader_name or resolved["grader"])
        if options is None:
            options = resolved["options"].get("grader", {}) if entry.id == resolved["grader"] else {}
        judge = _make_judge(entry, options, resolved.get("prompt"), registry)
        tally = Tally(resolved.get("subset_fields", ()))
        try:
            write_lines_atomically(run.verdicts_path, _verdict_lines(run, judge, tally, observer))
        finally:
            observer.finished()
        _record_grader(run, entry, options, judge.grader)
        summary = tally.summary(judge.grader.group, run.manifest.wall_seconds or None)
        write_summary(run, summary)
        run.save_manifest()
        return summary


def _make_judge(entry: PartEntry, options: dict[str, Any], prompt: str | None, registry: Registry) -> Judge:
    grader = registry.get("grader", entry.id)
    assert isinstance(grader, Grader)
    style = registry.get("prompt", prompt) if prompt else None
    assert style is None or isinstance(style, PromptStyle)
    return Judge(grader, parse(grader.Options, options, "grader."), style)


def _verdict_lines(run: RunDirectory, judge: Judge, tally: Tally, observer: Observer) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    total = sum(1 for _ in run.samples())
    if not total:
        raise SkillForgeError(
            f"{run.path} has no samples to grade", f"continue it: skillforge eval --resume {run.path}"
        )
    observer.started(f"grading {run.path.name}", total, 0)
    for sample in run.samples():
        verdict = judge.judge(sample)
        tally.add(outcome_of(sample, verdict, run.manifest.resolved.get("subset_fields", ())))
        observer.sample(sample, verdict, None)
        yield encoder.encode(VerdictRow.of(sample, verdict)) + b"\n"


def _record_grader(run: RunDirectory, entry: PartEntry, options: dict[str, Any], grader: Grader) -> None:
    """Say in run.json who judged, so that a resumed run is judged by the same."""
    manifest = run.manifest
    parsed = parse(grader.Options, options, "grader.")
    manifest.plugins = {id: version for id, version in manifest.plugins.items() if id != manifest.resolved["grader"]}
    manifest.plugins[entry.id] = entry.version
    manifest.resolved["grader"] = manifest.settings["grader"] = entry.id
    manifest.resolved["options"]["grader"] = msgspec.to_builtins(parsed)
    manifest.settings.setdefault("options", {})["grader"] = options
    manifest.identity.setdefault("options", {})["grader"] = {"id": entry.id, **identity(parsed)}
