"""The contracts of a voter and of a filter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import msgspec

from skillforge.parts.code import ToolLoop
from skillforge.parts.filter import Dropped, Filter
from skillforge.parts.grader import ModelGraderOptions, Verdict, VerdictState
from skillforge.parts.sample import Sample
from skillforge.parts.transcript import Message
from skillforge.parts.voter import Ballot, ModelVoter, Vote, VotePlan, Voter
from skillforge.testing.declaration import begin
from skillforge.testing.examples import HOSTILE_TEXTS, sample, samples
from skillforge.testing.report import CheckResult, Checks, GivenOptions, expect

_ELECTIONS: tuple[tuple[str | None, ...], ...] = (
    ("7",),
    ("7", "7", "8"),
    ("7", "8", "9"),
    (None, "7", None),
    ("7", "8", "8", None, "7", "8"),
    tuple(HOSTILE_TEXTS.values()),
)

_SMALL = 4
"""Ballots of the elections that are tried out in every way."""

_MOST_QUESTIONS = 1000
"""A voter that asks more about one election does not come to an end."""


def ballots(*answers: str | None, groups: Sequence[int | None] | None = None) -> list[Ballot]:
    """The ballots of samples with these answers, and with a score of 1/2; by default answers with the same text are equal."""
    numbers: dict[str, int] = {}
    own = [None if answer is None else numbers.setdefault(answer.strip(), len(numbers)) for answer in answers]
    return [
        Ballot(sample=sample, answer=answer, group=group, score=0.5)
        for sample, answer, group in zip(samples(answers), answers, groups or own, strict=True)
    ]


def check_voter(part: Voter, *, options: GivenOptions = None) -> list[CheckResult]:
    """Check a voter; one that asks a model, with replies that nobody can read and with hostile ones. Raises ContractBroken."""
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()
    with checks.check("plan", "return a VotePlan; name settings of the tool loop as ToolLoop does"):
        _expect_plan(part.plan(usable))
    with checks.check("reads", "return the answer or None; never raise, and depend on the arguments only"):
        for bad, text in HOSTILE_TEXTS.items():
            for answer in (text, None):
                found = part.read(answer, sample(text), usable)
                expect(found is None or isinstance(found, str), f"{bad}: it returned {type(found).__name__}")
                expect(found == part.read(answer, sample(text), usable), f"{bad}: it reads two answers")
    if isinstance(part, ModelVoter):
        with checks.check("options of a model", "let its Options be a subclass of ModelGraderOptions"):
            expect(isinstance(usable, ModelGraderOptions), f"they are {type(usable).__name__}")
        for bad, reply in HOSTILE_TEXTS.items():
            with checks.check(f"hostile reply: {bad}", "never raise on a reply; return a Vote or None"):
                given = ballots("7", "8", "8")
                _expect_vote(_Answered(part, reply).vote(given, usable), given)
        part = _Answered(part, "?")
    _check_votes(checks, part, usable)
    return checks.finish()


def _check_votes(checks: Checks, part: Voter, options: Any) -> None:
    with checks.check("no answers", "return None where no ballot has an answer", may_refuse=True):
        for none in ((), (None,), (None, None, None)):
            expect(part.vote(ballots(*none), options) is None, f"{none!r} has a winner")
    with checks.check("one answer", "return the answer that all ballots agree on", may_refuse=True):
        vote = part.vote(ballots("7", "7", "7"), options)
        expect(vote is not None and vote.answer == "7", f"three times '7' gives {vote!r:.200}")
    with checks.check("an answer that was given", "return an answer with its supporters' positions", may_refuse=True):
        for answers in _ELECTIONS:
            given = ballots(*answers)
            _expect_vote(part.vote(given, options), given)
    with checks.check("votes the same again", "let the winner depend on the arguments only", may_refuse=True):
        for answers in _ELECTIONS:
            given = ballots(*answers)
            expect(part.vote(given, options) == part.vote(given, options), f"{answers!r:.200} gives two winners")
    with checks.check("decided", "call a vote decided only where no ballot to come can change it", may_refuse=True):
        for answers in product(("7", "8", "9", None), repeat=_SMALL):
            given = ballots(*answers)
            for arrived in range(1, _SMALL):
                part_of = sorted(given[-arrived:], key=lambda ballot: ballot.sample.sample_index)
                if part.decided(part_of, _SMALL - arrived, options):
                    early, full = part.vote(part_of, options), part.vote(given, options)
                    same = early and full and early.answer == full.answer
                    expect(same, f"of {answers!r} the last {arrived} decide otherwise than all of them")


class _Answered(Voter):
    """A ModelVoter whose model gives one and the same `reply` to all questions: a voter like any other."""

    def __init__(self, part: ModelVoter, reply: str) -> None:
        self.name = part.name
        self._part = part
        self._reply = reply

    def vote(self, ballots: Sequence[Ballot], options: Any) -> Vote | None:
        found = self._part.questions(ballots, options)
        replies = 0
        while isinstance(found, tuple):
            expect(
                all(isinstance(each, Message) for question in found for each in question),
                "a question is no tuple of Messages",
            )
            replies += len(found)
            expect(bool(found) and replies <= _MOST_QUESTIONS, "it goes on asking, whatever is replied")
            found = self._part.conclude(ballots, options, (self._reply,) * replies)
        return found

    def decided(self, ballots: Sequence[Ballot], missing: int, options: Any) -> bool:
        return self._part.decided(ballots, missing, options)


def _expect_plan(plan: object) -> None:
    expect(isinstance(plan, VotePlan), f"it returned {type(plan).__name__}, not VotePlan")
    assert isinstance(plan, VotePlan)
    expect(plan.samples is None or plan.samples > 0, f"it asks for {plan.samples} samples")
    strange = set(plan.loop) - set(ToolLoop.__struct_fields__)
    expect(not strange, f"the tool loop has no setting {sorted(strange)}")


def _expect_vote(vote: object, given: Sequence[Ballot]) -> None:
    if vote is None:
        return
    expect(isinstance(vote, Vote), f"it returned {type(vote).__name__}, not Vote or None")
    assert isinstance(vote, Vote)
    expect(vote.share is None or 0 <= vote.share <= 1, f"the share is {vote.share}")
    valid = set(range(len(given)))
    expect(valid.issuperset(vote.supporters), f"the supporters {vote.supporters!r:.80} are no positions of ballots")
    expect(
        list(vote.supporters) == sorted(set(vote.supporters)), f"the supporters {vote.supporters!r:.80} do not ascend"
    )
    answers = [given[position].answer for position in vote.supporters]
    expect(vote.answer in answers, f"no supporter of the winner {vote.answer!r:.80} has its answer")
    expect(None not in answers, "a ballot without an answer is a supporter")


def check_filter(
    part: Filter,
    *,
    options: GivenOptions = None,
    kept: Sequence[Sample] = (),
    dropped: Sequence[Sample] = (),
) -> list[CheckResult]:
    """Check a filter; `kept` and `dropped` are samples, judged correct, that it must keep or drop.

    Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()
    plain = [(f"a {state} sample", sample("The answer is \\boxed{7}."), _verdict(state)) for state in _STATES]
    hostile = [(bad, sample(text), _verdict("wrong")) for bad, text in HOSTILE_TEXTS.items()]
    for name, cases in (("keeps or drops", plain), ("hostile texts", hostile)):
        with checks.check(name, "return the Sample, a rewritten one, or Dropped('why'); never raise on its text"):
            for what, given, verdict in cases:
                _expect_kept_or_dropped(given, part.apply(given, verdict, usable), what)
    with checks.check("filters the same again", "let the result depend on the arguments only"):
        for what, given, verdict in plain:
            expect(
                part.apply(given, verdict, usable) == part.apply(given, verdict, usable),
                f"{what} is treated in two ways",
            )
    for number, given in enumerate(kept, 1):
        with checks.check(f"keeps {number}", "this is the author's own case"):
            result = part.apply(given, _verdict("correct"), usable)
            expect(isinstance(result, Sample), f"it was dropped: {getattr(result, 'reason', result)}")
    for number, given in enumerate(dropped, 1):
        with checks.check(f"drops {number}", "this is the author's own case"):
            expect(isinstance(part.apply(given, _verdict("correct"), usable), Dropped), "it was kept")
    return checks.finish()


_STATES: tuple[VerdictState, ...] = ("correct", "wrong", "no-answer", "error")


def _verdict(state: VerdictState) -> Verdict:
    return Verdict(state=state, answer="7" if state in ("correct", "wrong") else None, reason="contract test")


def _expect_kept_or_dropped(given: Sample, result: object, what: str) -> None:
    if isinstance(result, Dropped):
        expect(isinstance(result.reason, str) and result.reason.strip(), f"{what}: dropped without a reason")
        expect("\n" not in result.reason and len(result.reason) <= 200, f"{what}: the reason is not a few words")
        return
    expect(isinstance(result, Sample), f"{what}: it returned {type(result).__name__}, not Sample or Dropped")
    assert isinstance(result, Sample)
    for field in ("benchmark", "split", "key"):
        expect(getattr(result, field) == getattr(given, field), f"{what}: it changed the sample's {field}")
    if result != given:  # a sample that came with half a character in it may stay as it is
        msgspec.json.encode(result)
