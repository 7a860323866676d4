"""Judging: one sample to its verdict, and to what the metrics need to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge.metrics.outcome import Outcome
from skillforge.parts.grader import Grader, Verdict
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sample import Sample
from skillforge.text import one_line


class Judge:
    """A grader with its options, and the prompt style that may read the answer for it."""

    def __init__(self, grader: Grader, options: Any, style: PromptStyle | None) -> None:
        self.grader = grader
        self._options = options
        self._style = style

    def judge(self, sample: Sample) -> Verdict:
        """The verdict on `sample`. A sample without an answer, and a fault in the grader, give state `error`."""
        if sample.state == "error":
            return Verdict(state="error", reason=sample.error)
        try:
            answer = self._style.read_answer(sample.transcript.answer_text) if self._style else None
            return self.grader.grade(sample.problem, sample.transcript, self._options, answer)
        except Exception as error:
            reason = f"the grader '{self.grader.name}' raised {type(error).__name__}: {one_line(str(error))}"
            return Verdict(state="error", reason=reason)


def outcome_of(sample: Sample, verdict: Verdict, subset_fields: Sequence[str]) -> Outcome:
    """What the metrics need of a judged sample."""
    metadata = sample.problem.metadata
    return Outcome(
        problem_id=sample.problem.id,
        index=sample.sample_index,
        state=verdict.state,
        answer=verdict.answer,
        score=verdict.score,
        truncated=sample.truncated,
        subsets={field: str(metadata[field]) for field in subset_fields if field in metadata},
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.completion_tokens,
        latency=sample.latency,
    )
