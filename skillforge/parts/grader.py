"""Grader: judges a transcript against a problem."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from skillforge.parts.part import OPERATIONAL, Part, PartOptions
from skillforge.parts.problem import Problem
from skillforge.parts.sampling import NonNegative
from skillforge.parts.transcript import Message, Transcript

VerdictState = Literal["correct", "wrong", "no-answer", "error"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The judgement of one sample. `error` means that no judgement was possible; it never counts as wrong."""

    state: VerdictState
    answer: str | None = None
    """The answer that was found in the transcript."""

    reason: str | None = None
    """Why: the rule that found the answer and how it was compared, in a few words."""

    score: float | None = None
    """0 to 1, where a grader gives more than right or wrong."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stage that a grader went through on its way to a verdict."""

    name: str
    """What was tried, such as the rule that finds the answer, or the way to compare."""

    outcome: str
    """What came of it in a word or two, such as `found`, `equal`, `undecided`."""

    detail: str = ""
    milliseconds: float = 0.0


class Grader(Part):
    """Judges transcripts. Deterministic and picklable by name; the text it reads is hostile and is never evaluated.

    A run calls it in processes of their own, each with a part of the samples. What a text makes it do there (raise, end the
    process, hang, take all memory) costs that sample its verdict, which is `error` then, and no other.
    """

    kind = "grader"

    def check(self, options: Any) -> None:
        """Find out, before anything is judged, whether verdicts are possible. Raises SkillForgeError where none are.

        Called once for a run, in a process that judges nothing.
        """

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        """Judge one transcript. `answer` is what the prompt style read as the final answer, where it marks one.

        Must not raise on any text; must end in bounded time and memory.
        """
        raise NotImplementedError

    def explain(
        self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None
    ) -> tuple[Step, ...]:
        """The stages that `grade` goes through with these arguments, in order; for people, and under the same rules."""
        began = time.perf_counter()
        verdict = self.grade(problem, transcript, options, answer)
        taken = 1000 * (time.perf_counter() - began)
        return (Step(self.name, verdict.state, verdict.reason or "", taken),)

    def group(self, answers: Sequence[str], options: Any) -> list[int]:
        """Equivalence classes of `answers` for majority votes, by the options of `grade`.

        Equal numbers mean equal answers. Same length and order. By default, answers with the same text are equal.
        """
        numbers: dict[str, int] = {}
        return [numbers.setdefault(answer, len(numbers)) for answer in answers]


class ModelGraderOptions(PartOptions, frozen=True, kw_only=True):
    """Which model a ModelGrader asks, and how; its own options are declared in a subclass."""

    model: Annotated[
        str | None,
        Meta(description="Model that judges: an installed name, a folder, a hub id, or what its server calls it."),
    ] = None
    base_url: Annotated[
        str | None, Meta(description="Address of the judge's server, where it has one.", extra=OPERATIONAL)
    ] = None
    backend: Annotated[
        str | None, Meta(description="Backend of the judge. Default: what fits grader.base_url or the model.")
    ] = None
    backend_options: Annotated[
        tuple[str, ...],
        Meta(description="An option of the judge's backend as NAME=VALUE, such as api_key_env=JUDGE_KEY; repeatable."),
    ] = ()
    temperature: Annotated[
        NonNegative | None,
        Meta(description="Sampling temperature of the judge; 0 is greedy, none leaves it to the server."),
    ] = 0.0
    max_tokens: Annotated[
        Annotated[int, Meta(ge=1)],
        Meta(description="Most tokens of one reply. A reply that is cut off is no judgement."),
    ] = 1024
    votes: Annotated[
        Annotated[int, Meta(ge=1, le=99)],
        Meta(description="Judgements of each sample, of which more than half must agree; above 1 needs a temperature."),
    ] = 1
    concurrency: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Requests to the judge in flight. Default: adapts to its server.", extra=OPERATIONAL),
    ] = None
    retries: Annotated[
        Annotated[int, Meta(ge=0, le=100)],
        Meta(description="Tries after the first for faults that can pass (about a minute).", extra=OPERATIONAL),
    ] = 9
    patience: Annotated[
        NonNegative,
        Meta(
            description="Seconds to wait for a server that was lost in mid-run to be back; not counted as tries.",
            extra=OPERATIONAL,
        ),
    ] = 600.0


Question = tuple[Message, ...]
"""What a judging model is asked at once: chat messages."""


class ModelGrader(Grader):
    """A grader that lets a model judge. It writes the questions and reads the replies; the pipeline does the asking.

    So a judge has no I/O of its own, and has backends, retries, votes and the store of replies in common with all others.
    The same arguments must always give the same questions and the same verdict.
    """

    Options: type[ModelGraderOptions] = ModelGraderOptions

    def questions(
        self, problem: Problem, transcript: Transcript, options: Any, answer: str | None
    ) -> Verdict | tuple[Question, ...]:
        """What to ask about one transcript; a Verdict where no model is needed to tell.

        `answer` is what the prompt style read as the final answer. The transcript's text is hostile: it must not pass for
        a part of the question. Must not raise on any text.
        """
        raise NotImplementedError

    def conclude(
        self, problem: Problem, transcript: Transcript, options: Any, answer: str | None, replies: Sequence[str]
    ) -> Verdict:
        """The verdict that follows from `replies`, one to each question and in their order.

        A reply that cannot be read gives state `error`, never `wrong`. Must not raise on any text.
        """
        raise NotImplementedError

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        """Not to be called: judging needs a model, which only the pipeline can ask."""
        raise TypeError(f"the grader '{self.name}' asks a model: use questions() and conclude()")
