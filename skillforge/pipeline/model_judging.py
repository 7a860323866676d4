"""Judging by a model: a ModelGrader's questions go to the judge, and its votes become one verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from skillforge.parts.grader import ModelGrader, ModelGraderOptions, Question, Step, Verdict
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sample import Sample
from skillforge.pipeline.asked_model import JUDGE, AskedModel, find_asked_model
from skillforge.pipeline.asking import Asker, NoReply, Reply
from skillforge.pipeline.grading_pool import GradingPool
from skillforge.pipeline.grading_process import Judge as GradingJudge
from skillforge.registry import Registry
from skillforge.text import one_line

JUDGE_CACHE = "judge-cache.jsonl"
"""The file in a run directory that holds the judge's replies."""


def find_judge(options: ModelGraderOptions, registry: Registry) -> AskedModel:
    """The model that `options` name, with all that can be checked without asking it. Raises UsageError."""
    return find_asked_model(options, JUDGE, registry)


@contextlib.asynccontextmanager
async def open_model_judging(
    grader: ModelGrader,
    options: ModelGraderOptions,
    style: PromptStyle | None,
    registry: Registry,
    folder: Path,
    tell: Callable[[str], None],
) -> AsyncIterator[ModelJudging]:
    """What judges by asking the model that `options` name; its replies are kept in `folder`.

    `tell` tells the user where its server is lost and found again.
    """
    async with (
        GradingPool(GradingJudge(grader, options, None), size=1) as grouping,
        Asker(find_judge(options, registry), folder / JUDGE_CACHE, tell) as asker,
    ):
        yield ModelJudging(grader, options, style, asker, grouping)


class ModelJudging:
    """Judges samples by asking a model."""

    def __init__(
        self,
        grader: ModelGrader,
        options: ModelGraderOptions,
        style: PromptStyle | None,
        asker: Asker,
        grouping: GradingPool,
    ) -> None:
        """`grouping` forms the classes of equal answers, in a process of its own: answers may be hostile."""
        self._grader = grader
        self._grouping = grouping
        self._options = options
        self._style = style
        self._asker = asker

    async def judge(self, sample: Sample) -> Verdict:
        """The verdict on `sample`; `error` where there is no answer, no reply, or none that can be read.

        Raises SkillForgeError where the judge cannot be asked at all.
        """
        answer, asked = self._questions(sample)
        if isinstance(asked, Verdict):
            return asked
        votes = (self._vote(sample, answer, asked, number) for number in range(self._options.votes))
        return majority(await asyncio.gather(*votes))

    async def explain(self, sample: Sample) -> tuple[Step, ...]:
        """The questions about `sample`, the replies, and the verdict. What was asked before is not asked again."""
        _, asked = self._questions(sample)
        steps: list[Step] = []
        for number in range(self._options.votes):
            for question in () if isinstance(asked, Verdict) else asked:
                text = "\n".join(message.content for message in question)
                steps += [Step("question", "asked", text), await self._reply_step(question, number)]
        verdict = await self.judge(sample)
        return (*steps, Step("verdict", verdict.state, verdict.reason or ""))

    async def group(self, answers: Sequence[str]) -> Sequence[int]:
        """The grader's classes of equal answers; by their text where the grader fails."""
        return await self._grouping.group(answers)

    def _questions(self, sample: Sample) -> tuple[str | None, Verdict | tuple[Question, ...]]:
        """The answer that the prompt style read, and what to ask about `sample`, or the verdict that needs no model."""
        if sample.state == "error":
            return None, Verdict(state="error", reason=sample.error)
        try:
            answer = self._style.read_answer(sample.transcript.answer_text) if self._style else None
            return answer, self._grader.questions(sample.problem, sample.transcript, self._options, answer)
        except Exception as error:
            return None, self._fault(error)

    async def _reply_step(self, question: Question, number: int) -> Step:
        try:
            reply = await self._asker.ask(question, number)
        except NoReply as error:
            return Step("reply", "none", str(error))
        return Step("reply", reply.finish_reason or "given", reply.text)

    async def _vote(self, sample: Sample, answer: str | None, asked: Sequence[Question], number: int) -> Verdict:
        try:
            replies = await asyncio.gather(*(self._asker.ask(question, number) for question in asked))
        except NoReply as error:
            return Verdict(state="error", reason=f"the judge gave no reply: {error}")
        cut = next((reply for reply in replies if reply.finish_reason == "length"), None)
        if cut is not None:
            reason = f"judge's reply could not be parsed: it was cut off {self._where(cut)}"
            return Verdict(state="error", reason=reason)
        texts = [reply.text for reply in replies]
        try:
            return self._grader.conclude(sample.problem, sample.transcript, self._options, answer, texts)
        except Exception as error:
            return self._fault(error)

    def _where(self, cut: Reply) -> str:
        """Where a reply ended that is cut off, and what to do."""
        limit, written = self._options.max_tokens, cut.completion_tokens
        if written is not None and written < limit:
            return f"after {written} tokens, where the judge's context was full"
        return f"at {limit} tokens; raise grader.max_tokens"

    def _fault(self, error: Exception) -> Verdict:
        reason = f"the grader '{self._grader.name}' raised {type(error).__name__}: {one_line(str(error))}"
        return Verdict(state="error", reason=reason)


def majority(votes: Sequence[Verdict]) -> Verdict:
    """What more than half of `votes` say (the first of them speaks for all), else `error`."""
    if len(votes) == 1:
        return votes[0]
    kinds = Counter((vote.state, vote.score) for vote in votes)
    kind, count = kinds.most_common(1)[0]
    if 2 * count <= len(votes):
        counted = Counter(vote.state for vote in votes)
        shown = ", ".join(f"{number} {state}" for state, number in counted.items())
        return Verdict(state="error", answer=votes[0].answer, reason=f"undecided: the votes are {shown}")
    winner = next(vote for vote in votes if (vote.state, vote.score) == kind)
    return msgspec.structs.replace(winner, reason=f"{winner.reason} ({count} of {len(votes)} votes)")
