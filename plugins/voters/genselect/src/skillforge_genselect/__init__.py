"""The voter `genselect`: a model reads the solutions of a problem and names the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from skillforge import Ballot, ModelGraderOptions, ModelVoter, Question, ReasoningTags, Vote, Voter, hookimpl
from skillforge_genselect.prompts import LABELS, ask_best, ask_summary, shown, shown_summary
from skillforge_judge_grader.replies import Unreadable, read_verdict
from skillforge_plurality_voters import classes, elect

SKILLFORGE_CONTRACT = 1

_REASONING = ReasoningTags("<think>,</think>")


class GenselectOptions(ModelGraderOptions, frozen=True, kw_only=True):
    """Options of the voter `genselect`."""

    votes: Annotated[
        int,
        Meta(
            ge=1,
            le=99,
            description="Choices of the model; the most frequent counts. Above 1 needs a temperature.",
        ),
    ] = 1
    candidates: Annotated[
        int, Meta(ge=2, le=len(LABELS), description="Most solutions that the model is shown of one problem.")
    ] = 16
    characters: Annotated[int, Meta(ge=100, description="Characters that it is shown of each solution.")] = 4000
    longer: Annotated[
        Literal["summarize", "cut"],
        Meta(description="A solution with more: let the model summarize it first, or show its end."),
    ] = "summarize"


class GenselectVoter(ModelVoter):
    """Asks for the best solution by its letter; where the reply names none, the majority decides.

    Solutions that are too long to be shown are summarized first, by a question each.
    """

    name = "genselect"
    summary = "A model reads the solutions of a problem and names the best."
    source = "Moshkov et al. 2025 (OpenMathReasoning), arXiv:2504.16891: GenSelect"
    Options = GenselectOptions

    def questions(self, ballots: Sequence[Ballot], options: GenselectOptions) -> Vote | tuple[Question, ...] | None:
        """For a summary of each solution that is too long, or for the best; a Vote where all come to the same answer."""
        found = classes(ballots)
        if len(found) < 2:
            return elect(ballots)
        problem = ballots[0].sample.problem.question
        solutions = _solutions(ballots, _candidates(found, options.candidates))
        summaries = tuple(
            ask_summary(problem, text, options.characters) for text in solutions if _is_too_long(text, options)
        )
        return summaries or (ask_best(problem, [shown(text, options.characters) for text in solutions]),)

    def conclude(
        self, ballots: Sequence[Ballot], options: GenselectOptions, replies: Sequence[str]
    ) -> Vote | tuple[Question, ...] | None:
        """For the best, once there are summaries; then the answer of the solution that is named, with all ballots for it."""
        found = classes(ballots)
        candidates = _candidates(found, options.candidates)
        solutions = _solutions(ballots, candidates)
        if 0 < len(replies) == sum(_is_too_long(text, options) for text in solutions):
            summaries = iter(replies)
            parts = [
                shown_summary(text, _without_reasoning(next(summaries)), options.characters)
                if _is_too_long(text, options)
                else shown(text, options.characters)
                for text in solutions
            ]
            return (ask_best(ballots[0].sample.problem.question, parts),)
        labelled = dict(zip(LABELS.lower(), candidates, strict=False))
        try:
            label = read_verdict(replies[-1], labelled)
        except Unreadable as error:
            majority = elect(ballots)
            reason = f"majority: the model's choice could not be read: {error}"
            return majority and msgspec.structs.replace(majority, reason=reason, fallback=True)
        chosen = labelled[label]
        (members,) = (members for members in found if chosen in members)
        answer = ballots[chosen].answer
        assert answer is not None
        reason = f"the model chose sample {ballots[chosen].sample.sample_index} of {len(labelled)} that it was shown"
        return Vote(answer=answer, supporters=tuple(members), reason=reason)


def _candidates(found: Sequence[Sequence[int]], most: int) -> list[int]:
    """The positions of the ballots to show, ascending: all, or where these are too many the first of each answer.

    Answers with more ballots come first. Places that are left go to their second ballots, then to their third, and so on.
    """
    by_size = sorted(found, key=len, reverse=True)
    rounds = (members[turn] for turn in range(len(by_size[0])) for members in by_size if turn < len(members))
    return sorted(position for position, _ in zip(rounds, range(most), strict=False))


def _solutions(ballots: Sequence[Ballot], candidates: Sequence[int]) -> list[str]:
    """What the model wrote in the samples that are shown, without private reasoning."""
    return [_without_reasoning(ballots[position].sample.transcript.answer_text) for position in candidates]


def _is_too_long(solution: str, options: GenselectOptions) -> bool:
    """Whether the model is to summarize it."""
    return options.longer == "summarize" and len(solution) > options.characters


def _without_reasoning(text: str) -> str:
    return _REASONING.split(text)[1].strip()


@hookimpl
def skillforge_voter() -> Voter:
    return GenselectVoter()
