"""Judging: one sample to its verdict, and to what the metrics need to know of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from skillforge.metrics.outcome import Outcome
from skillforge.metrics.summary import Summary
from skillforge.metrics.tally import Tally
from skillforge.metrics.tool_facts import tool_facts
from skillforge.parts.grader import ModelGrader, Step, Verdict
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sample import Sample
from skillforge.pipeline.grading_pool import GradingPool
from skillforge.pipeline.grading_process import Judge
from skillforge.pipeline.model_judging import open_model_judging
from skillforge.pipeline.resolve import Chosen
from skillforge.registry import Registry
from skillforge.runs.manifest import Manifest
from skillforge.text import one_line


class Judging(Protocol):
    """Gives verdicts, many at once. What a caller awaits together is what it holds in memory."""

    def judge(self, sample: Sample) -> Awaitable[Verdict]:
        """The verdict on `sample`: state `error` where the sample has no answer, and where the grader fails.

        Raises SkillForgeError where no sample can be judged.
        """

    def explain(self, sample: Sample) -> Awaitable[tuple[Step, ...]]:
        """How the grader comes to its verdict."""

    def group(self, answers: Sequence[str]) -> Coroutine[Any, Any, Sequence[int]]:
        """The grader's classes of equal answers; by their text where the grader fails."""


@contextlib.asynccontextmanager
async def open_judging(
    grader: Chosen, style: PromptStyle | None, registry: Registry, folder: Path, tell: Callable[[str], None]
) -> AsyncIterator[Judging]:
    """What judges samples with `grader`, whose answers `style` may read: a model, or a pool of processes.

    A judging model's replies are kept in `folder`, and `tell` tells the user where its server is lost and found again.
    Processes start when there is something to judge.
    """
    if isinstance(grader.part, ModelGrader):
        async with open_model_judging(grader.part, grader.options, style, registry, folder, tell) as judging:
            yield judging
    else:
        await asyncio.to_thread(grader.part.check, grader.options)
        async with GradingPool(Judge(grader.part, grader.options, style)) as pool:
            yield pool


async def summarise(tally: Tally, judging: Judging, manifest: Manifest) -> Summary:
    """The metrics of `tally`, those of the run of `manifest`, with answers that the grader holds equal counted as one vote."""
    loop = asyncio.get_running_loop()

    def group(answers: Sequence[str]) -> Sequence[int]:
        return asyncio.run_coroutine_threadsafe(judging.group(answers), loop).result()

    voted = manifest.resolved.get("voter") is not None
    return await asyncio.to_thread(tally.summary, group, manifest.wall_seconds or None, stopped=voted)


def outcome_of(sample: Sample, verdict: Verdict, subset_fields: Sequence[str]) -> Outcome:
    """What the metrics need of a judged sample."""
    metadata = sample.problem.metadata
    return Outcome(
        problem_id=sample.problem.id,
        index=sample.sample_index,
        state=verdict.state,
        error=one_line(verdict.reason) if verdict.state == "error" and verdict.reason else None,
        answer=verdict.answer,
        score=verdict.score,
        truncated=sample.truncated,
        finish_reason=sample.finish_reason,
        tools=tool_facts(sample.transcript, verdict.answer),
        subsets={field: str(metadata[field]) for field in subset_fields if field in metadata},
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.completion_tokens,
        latency=sample.latency,
    )
