"""Explain: how the verdict on one sample of a run comes about."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import UsageError
from skillforge.parts.grader import ModelGrader, Step, Verdict
from skillforge.parts.sample import Sample
from skillforge.pipeline.grade import Judges
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.judging import open_judging
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.tables import Table
from skillforge.registry import Registry
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.text import closest, one_line

AROUND = 60
"""Characters shown on either side of an answer in its text."""


class Explanation(msgspec.Struct, frozen=True):
    """A verdict with the stages that led to it."""

    problem_id: str
    sample_index: int
    question: str
    expected_answer: str | None
    verdict: Verdict
    stored: VerdictRow | None
    """The verdict that the run holds; it may be another grader's."""

    context: str | None
    """The text around the answer that was found; the end of the text where the answer does not stand there as it is."""

    steps: tuple[Step, ...]


def explain(
    path: Path,
    wanted: str,
    grader_name: str | None,
    options: dict[str, Any] | None,
    registry: Registry,
    observer: Observer,
) -> list[Explanation]:
    """How the samples of the run in `path` are judged that `wanted` names: a problem's id, or `id/sample_index`.

    Changes nothing on disk, but for the replies of a grader that asks a model. Raises UsageError for an unknown id.
    """
    run = RunDirectory.open(path)
    judges = Judges(run, grader_name, options, registry)
    samples = _named(run, wanted)
    stored = run.verdicts()

    async def work() -> list[Explanation]:
        async with open_judging(judges.grader, judges.style, registry, path, observer.note) as judging:
            return [
                _explanation(
                    sample,
                    await judging.judge(sample),
                    stored.get(sample.key),
                    await judging.explain(sample) if sample.state == "done" else (),
                )
                for sample in samples
            ]

    with run.locked() if isinstance(judges.grader.part, ModelGrader) else contextlib.nullcontext():
        return run_interruptibly(work)


def _named(run: RunDirectory, wanted: str) -> list[Sample]:
    problem, _, index = wanted.rpartition("/")
    ids: dict[str, None] = {}
    of_problem, single = [], []
    for sample in run.samples():
        ids[sample.problem.id] = None
        if sample.problem.id == wanted:
            of_problem.append(sample)
        elif sample.problem.id == problem and str(sample.sample_index) == index:
            single.append(sample)
    found = of_problem or single
    if not found:
        raise UsageError(f"{run.path} has no sample '{one_line(wanted, 80)}'", _advice(run, problem, wanted, ids))
    return sorted(found, key=lambda sample: sample.sample_index)


def _advice(run: RunDirectory, problem: str, wanted: str, ids: dict[str, None]) -> str:
    if problem not in ids:
        return closest(wanted, ids, 10)
    numbers = sorted(sample.sample_index for sample in run.samples() if sample.problem.id == problem)
    return f"of that problem there are {', '.join(map(str, numbers[:20]))}"


def _explanation(sample: Sample, verdict: Verdict, stored: VerdictRow | None, steps: tuple[Step, ...]) -> Explanation:
    return Explanation(
        problem_id=sample.problem.id,
        sample_index=sample.sample_index,
        question=sample.problem.question,
        expected_answer=sample.problem.expected_answer,
        verdict=verdict,
        stored=stored,
        context=_context(sample.transcript.answer_text, verdict.answer),
        steps=steps,
    )


def _context(text: str, answer: str | None) -> str | None:
    """The last place of `answer` in `text`, with what stands around it."""
    if answer is None:
        return None
    at = text.rfind(answer)
    start, end = (at, at + len(answer)) if at >= 0 else (len(text) - AROUND, len(text))
    start, end = max(0, start - AROUND), min(len(text), end + AROUND)
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def explanation_tables(explanation: Explanation) -> list[Table]:
    """The explanation as tables for people."""
    verdict, stored = explanation.verdict, explanation.stored
    facts = {
        "question": explanation.question,
        "expected": explanation.expected_answer,
        "answer found": verdict.answer,
        "in the text": explanation.context,
        "verdict": _shown(verdict),
        "stored verdict": _shown(stored) if stored and _shown(stored) != _shown(verdict) else None,
    }
    rows = [(name, one_line(value)) for name, value in facts.items() if value is not None]
    stages = [
        (one_line(step.name), one_line(step.outcome), one_line(step.detail), f"{step.milliseconds:.2f}")
        for step in explanation.steps
    ]
    title = f"{one_line(explanation.problem_id, 80)}/{explanation.sample_index}"
    found = [
        Table(title, ("", "value"), rows, labels=2),
        Table("Stages", ("stage", "outcome", "detail", "ms"), stages, labels=3),
    ]
    return [table for table in found if table.rows]


def _shown(verdict: Verdict) -> str:
    return f"{verdict.state} ({verdict.reason})" if verdict.reason else verdict.state
