"""Voter: many samples of one problem to one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from skillforge.parts.grader import ModelGraderOptions, Question
from skillforge.parts.part import Part
from skillforge.parts.sample import Sample
from skillforge.parts.sampling import Sampling

MAKING = {"making": True}
"""For `Meta(extra=MAKING)`: the option says how samples are made for a vote. To one over stored samples it is nothing."""


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """A judged sample as it takes part in a vote."""

    sample: Sample
    answer: str | None
    """The answer that it votes for, as `Voter.read` gave it; None abstains."""

    group: int | None = None
    """Number of its class of equal answers, by the grader's equivalence; None where there is no answer."""

    score: float | None = None
    """The grader's score, 0 to 1, where it gives one."""


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What a vote came to."""

    answer: str
    supporters: tuple[int, ...]
    """Positions of the ballots that are for it, ascending."""

    share: float | None = None
    """Its part of all votes that count, 0 to 1, in the voter's own weights."""

    reason: str | None = None
    """How it was found, in a few words, where that needs telling."""

    fallback: bool = False
    """Whether the voter's own way could not be gone, so that another one elected; `reason` says why."""


class VotePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a vote asks of the samples that are made for it."""

    samples: int | None = None
    """Samples for each problem; None leaves it to `--repeats`."""

    sampling: Sampling = Sampling()
    """Sampling that goes over the model's own and under the user's."""

    loop: Mapping[str, Any] = {}
    """Settings of the tool loop by name, over the prompt style's and under the user's."""

    needs_code: bool = False
    """Whether only samples that have run code can count."""

    restart: bool = False
    """Whether a sample whose answer `read` refuses starts anew, with the executions that it has left; the last attempt
    counts."""

    seconds: float | None = None
    """Time for one problem, from the start of its first sample. At its end the samples under way end with what is written."""

    spare_seconds: float = 0.0
    """Most seconds that a problem may take more, out of what other problems have left over."""


class Voter(Part):
    """Chooses one answer among the answers of many samples. Pure: what it returns depends on its arguments only."""

    kind = "voter"

    def plan(self, options: Any) -> VotePlan:
        """How the samples are to be made, where they are made for this vote.

        Raises UsageError where samples that are made cannot have what the vote goes by.
        """
        return VotePlan()

    def read(self, answer: str | None, sample: Sample, options: Any) -> str | None:
        """The answer that `sample` votes for; None where it has none or it must not count. Must not raise on any text.

        `answer` is what the grader found.
        """
        return answer

    def vote(self, ballots: Sequence[Ballot], options: Any) -> Vote | None:
        """The winner, or None where no ballot has an answer. Ballots come in the order of their samples' indices.

        Raises CannotVote where they lack what the voter goes by.
        """
        raise NotImplementedError

    def decided(self, ballots: Sequence[Ballot], missing: int, options: Any) -> bool:
        """Whether the winner stands although `missing` more ballots are to come: then these are not made."""
        return False


class ModelVoter(Voter):
    """A voter that lets a model choose. It writes the questions and reads the replies; the pipeline does the asking."""

    Options: type[ModelGraderOptions] = ModelGraderOptions

    def questions(self, ballots: Sequence[Ballot], options: Any) -> Vote | tuple[Question, ...] | None:
        """What to ask; a Vote, or None, where no model is needed to tell."""
        raise NotImplementedError

    def conclude(
        self, ballots: Sequence[Ballot], options: Any, replies: Sequence[str]
    ) -> Vote | tuple[Question, ...] | None:
        """The winner that follows from `replies`, one to each question and in their order; or further questions, whose
        replies are added to these when this is called again. Must not raise on any text."""
        raise NotImplementedError

    def vote(self, ballots: Sequence[Ballot], options: Any) -> Vote | None:
        """Not to be called: choosing needs a model, which only the pipeline can ask."""
        raise TypeError(f"the voter '{self.name}' asks a model: use questions() and conclude()")
