"""Voting: the judged samples of a problem to one answer and its verdict, while they are made or afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from skillforge.errors import BrokenPlugin, CannotVote, SkillForgeError
from skillforge.metrics.votes import VoteSummary, summarise_votes
from skillforge.parts.grader import ModelGraderOptions, Question, Verdict
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample
from skillforge.parts.transcript import Segment, Transcript
from skillforge.parts.voter import Ballot, ModelVoter, Vote, Voter
from skillforge.pipeline.asked_model import CHOOSER, AskedModel, find_asked_model
from skillforge.pipeline.asking import Asker, NoReply
from skillforge.pipeline.judging import Judging
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.resolve import Chosen, described
from skillforge.registry import Registry
from skillforge.runs.votes import VOTER_CACHE, VoteRow
from skillforge.text import one_line

Judged = tuple[Sample, Verdict]


def find_chooser(options: ModelGraderOptions, registry: Registry) -> AskedModel:
    """The model of a ModelVoter, with all that can be checked without asking it. Raises UsageError."""
    return find_asked_model(options, CHOOSER, registry)


@contextlib.asynccontextmanager
async def open_voting(
    voter: Chosen, judging: Judging, registry: Registry, folder: Path, tell: Callable[[str], None]
) -> AsyncIterator[Voting]:
    """What votes with `voter`, in the classes of equal answers of `judging`.

    A voter's model has its replies in `folder`, and `tell` tells the user where its server is lost and found again.
    """
    if isinstance(voter.part, ModelVoter):
        async with Asker(find_chooser(voter.options, registry), folder / VOTER_CACHE, tell) as asker:
            yield Voting(voter, judging, asker)
    else:
        yield Voting(voter, judging)


class Voting:
    """Holds votes, many at once."""

    def __init__(self, voter: Chosen, judging: Judging, asker: Asker | None = None) -> None:
        """`asker` asks the model of a ModelVoter."""
        self._voter: Voter = voter.part
        self._options = voter.options
        self._judging = judging
        self._asker = asker
        self._grouped: dict[str, tuple[Sequence[str], Sequence[int]]] = {}
        self.lack: CannotVote | None = None
        """What the samples of a problem lacked for a vote, where some did."""

    def read(self, sample: Sample, verdict: Verdict) -> str | None:
        """What `sample` votes for: of what the grader found, only a judged answer counts. Raises BrokenPlugin."""
        answer = verdict.answer if verdict.state in ("correct", "wrong") else None
        with self._faults():
            return self._voter.read(answer, sample, self._options)

    async def ballots(self, judged: Sequence[Judged]) -> list[Ballot]:
        """The ballots of one problem's samples, in the order of their indices. Raises BrokenPlugin."""
        in_order = sorted(judged, key=lambda each: each[0].sample_index)
        answers = [self.read(sample, verdict) for sample, verdict in in_order]
        groups = await self._group(in_order, [answer for answer in answers if answer is not None])
        return [
            Ballot(sample=sample, answer=answer, group=None if answer is None else groups[answer], score=verdict.score)
            for (sample, verdict), answer in zip(in_order, answers, strict=True)
        ]

    def decided(self, ballots: Sequence[Ballot], missing: int) -> bool:
        """Whether the winner stands although `missing` more ballots are to come. Raises BrokenPlugin."""
        with self._faults():
            return self._voter.decided(ballots, missing, self._options)

    async def vote(self, problem: Problem, judged: Sequence[Judged]) -> VoteRow:
        """What the vote over the samples of `problem` comes to.

        State `error` where these lack what the voter goes by, it fails, its model gives no reply, or no sample could be judged.
        """
        if all(verdict.state == "error" for _, verdict in judged):
            return _no_vote(problem, judged, "no sample could be judged")
        try:
            ballots = await self.ballots(judged)
            vote = await self._elect(ballots)
        except NoReply as error:
            return _no_vote(problem, judged, f"the voter's model gave no reply: {error}")
        except CannotVote as error:
            self.lack = error
            return _no_vote(problem, judged, str(error))
        except BrokenPlugin as error:
            return _no_vote(problem, judged, error.what)
        finally:
            self._grouped.pop(problem.id, None)
        if vote is None:
            return VoteRow(problem_id=problem.id, state="no-answer", ballots=len(judged))
        verdict = await self._verdict(vote, ballots, judged)
        return VoteRow(
            problem_id=problem.id,
            state=verdict.state,
            answer=vote.answer,
            share=vote.share,
            ballots=len(ballots),
            supporters=tuple(ballots[position].sample.sample_index for position in vote.supporters),
            reason=vote.reason or (verdict.reason if verdict.state == "error" else None),
            fallback=vote.fallback,
        )

    async def _group(self, judged: Sequence[Judged], answers: Sequence[str]) -> dict[str, int]:
        """The class of each answer. The most frequent ones come first, as for maj@k, whatever order the samples came in."""
        counts = Counter(answers)
        distinct = sorted(counts, key=lambda answer: (-counts[answer], answer))
        if len(distinct) < 2:
            return dict.fromkeys(distinct, 0)
        problem_id = judged[0][0].problem.id
        known, groups = self._grouped.get(problem_id, ((), ()))
        if known != distinct:
            groups = await self._judging.group(distinct)
            self._grouped[problem_id] = (distinct, groups)
        return dict(zip(distinct, groups, strict=True))

    async def _elect(self, ballots: Sequence[Ballot]) -> Vote | None:
        voter, options = self._voter, self._options
        with self._faults():
            if not isinstance(voter, ModelVoter):
                return voter.vote(ballots, options)
            asked = voter.questions(ballots, options)
        if not isinstance(asked, tuple):
            return asked
        choices = await asyncio.gather(*(self._choice(voter, ballots, asked, turn) for turn in range(options.votes)))
        return _most_frequent([choice for choice in choices if choice is not None])

    async def _choice(
        self, voter: ModelVoter, ballots: Sequence[Ballot], asked: tuple[Question, ...], turn: int
    ) -> Vote | None:
        assert self._asker is not None
        replies: list[str] = []
        found: Vote | tuple[Question, ...] | None = asked
        while isinstance(found, tuple):
            replies += [reply.text for reply in await asyncio.gather(*(self._asker.ask(each, turn) for each in found))]
            with self._faults():
                found = voter.conclude(ballots, self._options, replies)
        return found

    async def _verdict(self, vote: Vote, ballots: Sequence[Ballot], judged: Sequence[Judged]) -> Verdict:
        """That of more than half of the supporters, of whom the voter has changed no answer; else on the bare answer."""
        verdicts = {sample.sample_index: verdict for sample, verdict in judged}
        known = [
            (ballots[position].answer, verdicts[ballots[position].sample.sample_index]) for position in vote.supporters
        ]
        states = [verdict.state for answer, verdict in known if answer == verdict.answer]
        if states:
            return Verdict(state="correct" if 2 * states.count("correct") > len(states) else "wrong")
        return await self._judging.judge(bare_sample(judged[0][0], vote.answer))

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Tell a fault in the voter's code as such."""
        try:
            yield
        except SkillForgeError:
            raise
        except Exception as error:
            fault = f"raised {type(error).__name__}: {one_line(str(error))}"
            raise BrokenPlugin(f"the voter '{self._voter.name}' {fault}", "tell its author") from error


def summed_up(voter: Chosen, rows: Iterable[VoteRow], observer: Observer) -> VoteSummary:
    """What the votes that `voter` held come to. The user hears where no answer counts: that is seldom what was meant."""
    votes = summarise_votes(described(voter), rows)
    if votes.problems and votes.no_answer == votes.problems:
        name = voter.part.name
        observer.note(f"no answer counts for the voter '{name}': see its options with 'skillforge plugins show {name}'")
    return votes


def bare_sample(like: Sample, answer: str) -> Sample:
    """A sample of the same problem as `like` that says `answer` and nothing else."""
    transcript = Transcript((Segment("text", f"\\boxed{{{answer}}}"),))
    return Sample(
        benchmark=like.benchmark, split=like.split, problem=like.problem, sample_index=0, transcript=transcript
    )


def _no_vote(problem: Problem, judged: Sequence[Judged], reason: str) -> VoteRow:
    return VoteRow(problem_id=problem.id, state="error", ballots=len(judged), reason=reason)


def _most_frequent(choices: Sequence[Vote]) -> Vote | None:
    """Of several choices the most frequent; of equals, the one that came first. Fallbacks count where there is nothing else."""
    votes = [choice for choice in choices if not choice.fallback] or choices
    counts = Counter(vote.supporters for vote in votes)
    most = max(counts.values(), default=0)
    winner = next((vote for vote in votes if counts[vote.supporters] == most), None)
    if winner is None or len(choices) == 1:
        return winner
    reason = ": ".join(filter(None, (f"{most} of {len(votes)} choices", winner.reason)))
    return msgspec.structs.replace(winner, reason=reason)
