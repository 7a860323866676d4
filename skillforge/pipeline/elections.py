"""Elections: the votes of a run while its samples are made.

Each problem has an election. It takes the samples of that problem as they are judged, ends those under way once the winner
is certain or the problem's time is up, and votes when nothing more is to come.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator

import msgspec

from skillforge.parts.code import ToolLoop
from skillforge.parts.grader import Verdict
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample
from skillforge.pipeline.judging import Judging
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.rollouts import Rollouts
from skillforge.pipeline.voting import Voting
from skillforge.rollout.clock import Clock
from skillforge.rollout.job import Job, later_seed
from skillforge.runs.rows import RowLog

Judged = tuple[Sample, Verdict]


class Elections:
    """The elections of a plan that has a voter. Problems whose vote is held are forgotten."""

    def __init__(self, plan: Plan, voting: Voting, judging: Judging, votes: RowLog, observer: Observer) -> None:
        """Each vote is added to `votes`; `observer` is told how many samples it has made needless."""
        self._plan = plan
        self._voting = voting
        self._judging = judging
        self._votes = votes
        self._observer = observer
        self._spare = SpareTime()
        self._open: dict[str, Election] = {}
        self._closed: set[str] = set()

    def close(self, problem_id: str) -> None:
        """The vote on this problem was held, now or before: nothing more is made for it."""
        self._closed.add(problem_id)
        self._open.pop(problem_id, None)

    def __contains__(self, problem_id: str) -> bool:
        """Whether the vote on this problem is still to be held."""
        return problem_id not in self._closed

    def recall(self, sample: Sample, verdict: Verdict) -> None:
        """Take in a sample that an earlier start of the run has made."""
        if sample.problem.id in self:
            self._of(sample.problem).recall((sample, verdict))

    async def settle(self) -> None:
        """Hold the votes that are decided by what was recalled."""
        for election in list(self._open.values()):
            if election.judged and await self._decided(election):
                election.end()
                await self._hold(election)

    def wanted(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Those of `jobs` that can still change a vote, as it stands when each one is drawn."""
        for job in jobs:
            if job.problem.id in self and not (election := self._of(job.problem)).over:
                election.pending += 1
                yield job

    async def make(self, job: Job, rollouts: Rollouts) -> Judged | None:
        """The finished and judged sample of `job`; None where the vote is held before it ends."""
        if job.problem.id not in self:
            return None
        election = self._of(job.problem)
        try:
            with election.under_way():
                return await self._attempts(job, rollouts, election)
        except VoteIsOver:
            return None

    async def _attempts(self, job: Job, rollouts: Rollouts, election: Election) -> Judged:
        """A sample, begun anew where the vote cannot count it and the plan wants another.

        Executions and wall time are those of all attempts together; each has its own tokens, as its text begins anew.
        """
        loop = self._plan.code.loop if self._plan.code else None
        attempt = 0
        while True:
            started = time.monotonic()
            begun = msgspec.structs.replace(job, seed=later_seed(job.seed, -attempt))
            sample = await rollouts.make(begun, election.clock, loop)
            if attempt:
                sample = msgspec.structs.replace(sample, restarts=attempt)
            verdict = await self._judging.judge(sample)
            if not self._plan.vote.restart or loop is None or sample.state == "error" or election.over:
                return sample, verdict
            loop = _rest(loop, sample, time.monotonic() - started)
            if loop is None or self._voting.read(sample, verdict) is not None:
                return sample, verdict
            attempt += 1
            election.discard(sample)

    async def take(self, sample: Sample, verdict: Verdict) -> None:
        """A sample of this start of the run is judged and stored. Votes, where it is the last that was waited for."""
        if sample.problem.id not in self:
            return
        election = self._of(sample.problem)
        election.take((sample, verdict))
        if not election.complete and await self._decided(election):
            election.end()
        if election.complete and sample.problem.id in self:
            await self._hold(election)

    async def _decided(self, election: Election) -> bool:
        ballots = await self._voting.ballots(election.judged)
        return not election.complete and self._voting.decided(ballots, election.missing)

    async def finish(self) -> None:
        """Hold the votes that are still open: no more samples come."""
        for election in list(self._open.values()):
            await self._hold(election)
        self._votes.flush()

    async def _hold(self, election: Election) -> None:
        if not election.judged:
            return
        self.close(election.problem.id)
        election.stop_clock()
        cancelled = self._plan.repeats - len(election.judged)
        self._observer.left_out(cancelled)
        row = await self._voting.vote(election.problem, election.judged)
        self._votes.append(
            msgspec.structs.replace(
                row,
                early=election.early,
                cancelled=cancelled,
                restarts=sum(sample.restarts for sample, _ in election.judged),
                tokens=election.tokens,
            )
        )

    def _of(self, problem: Problem) -> Election:
        if problem.id not in self._open:
            self._open[problem.id] = Election(problem, self._plan, self._spare)
        return self._open[problem.id]


class Election:
    """The vote on one problem, before it is held."""

    def __init__(self, problem: Problem, plan: Plan, spare: SpareTime) -> None:
        self.problem = problem
        self.judged: list[Judged] = []
        """What takes part, by sample index."""

        self.pending = 0
        """Samples that were drawn and are not judged."""

        self.over = False
        """Whether no further sample is to begin."""

        self.early = False
        self.tokens: int | None = 0
        self.clock = Clock()
        self._samples = plan.repeats
        self._seconds, self._spare_seconds = plan.vote.seconds, plan.vote.spare_seconds
        self._spare = spare
        self._alarm: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[object]] = set()

    @property
    def missing(self) -> int:
        """Ballots that may still come."""
        return self.pending if self.over else self._samples - len(self.judged)

    @property
    def complete(self) -> bool:
        return self.missing == 0 or self.early

    def recall(self, judged: Judged) -> None:
        self._add(judged)
        self._count(judged[0])

    def take(self, judged: Judged) -> None:
        self.pending -= 1
        self._add(judged)
        self._count(judged[0])

    def _add(self, judged: Judged) -> None:
        self.judged.append(judged)
        self.judged.sort(key=lambda one: one[0].sample_index)

    def discard(self, sample: Sample) -> None:
        """An attempt does not count, and is begun anew."""
        self._count(sample)

    def _count(self, sample: Sample) -> None:
        if self.tokens is None or sample.completion_tokens is None:
            self.tokens = None
        else:
            self.tokens += sample.completion_tokens

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """A sample is being made by the current task. Raises VoteIsOver where the election ends first."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        if self._seconds is not None and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self._seconds, self._time_is_up)
        try:
            yield
        except asyncio.CancelledError:
            # The run may be stopped at the same moment: then there is one request more than the election's own.
            if not self.early or task.uncancel() > 0:
                raise
            raise VoteIsOver from None
        finally:
            self._running.discard(task)

    def end(self) -> None:
        """The winner is certain: what is under way is given up."""
        self.over = self.early = True
        for task in self._running:
            task.cancel()

    def _time_is_up(self) -> None:
        loop = asyncio.get_running_loop()
        more = self._spare.take(self._spare_seconds)
        self._spare_seconds = 0.0
        if more > 0:
            self._alarm = loop.call_later(more, self._time_is_up)
            return
        self.over, self._alarm = True, None
        self.clock.move(loop.time())

    def stop_clock(self) -> None:
        """Leave to others what time is left."""
        if self._alarm is not None:
            self._spare.put(self._alarm.when() - asyncio.get_running_loop().time())
            self._alarm.cancel()


class VoteIsOver(Exception):
    """A sample is not needed any more."""


class SpareTime:
    """Seconds that problems have left over, for those that need more: a time bank."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def put(self, seconds: float) -> None:
        self._seconds += max(0.0, seconds)

    def take(self, most: float) -> float:
        taken = min(most, self._seconds)
        self._seconds -= taken
        return taken


def _rest(loop: ToolLoop, sample: Sample, seconds: float) -> ToolLoop | None:
    """What the turns of `sample`, which took `seconds`, leave of `loop`; None where that is not even one turn."""
    turns = sum(
        segment.seconds is not None and segment.kind in ("text", "code") for segment in sample.transcript.segments
    )
    left = loop.max_executions - turns
    time_left = None if loop.wall_time is None else loop.wall_time - seconds
    if left < 0 or (time_left is not None and time_left <= 0):
        return None
    return msgspec.structs.replace(loop, max_executions=left, wall_time=time_left)
