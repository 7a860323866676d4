"""Voting, called from Python: ballots and their classes, the verdict on the winner, a model that chooses, and faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from skillforge import (
    Backend,
    Ballot,
    BrokenPlugin,
    CannotVote,
    Client,
    Completion,
    Message,
    ModelGraderOptions,
    ModelRef,
    ModelVoter,
    PartOptions,
    Problem,
    Request,
    RequestFailed,
    RequestRefused,
    Sample,
    Sampling,
    Segment,
    SkillForgeError,
    Target,
    Transcript,
    UsageError,
    Verdict,
    Vote,
    Voter,
)
from skillforge.metrics.votes import summarise_votes
from skillforge.pipeline.asked_model import CHOOSER, AskedModel
from skillforge.pipeline.asking import Asker
from skillforge.pipeline.resolve import Chosen
from skillforge.pipeline.voting import Voting, find_chooser
from skillforge.registry import Registry
from skillforge.runs.rows import RowLog
from skillforge.runs.votes import VoteRow, read_votes, vote_log, write_votes

PROBLEM = Problem(id="p", question="?", expected_answer="0.5")


class Halves:
    """Judges by value, as a maths grader does, and counts what it is asked."""

    def __init__(self) -> None:
        self.grouped: list[list[str]] = []
        self.judged: list[str] = []

    async def judge(self, sample: Sample) -> Verdict:
        text = sample.transcript.answer_text
        self.judged.append(text)
        answer = text.removeprefix("\\boxed{").removesuffix("}")
        return Verdict(state="correct" if _value(answer) == "0.5" else "wrong", answer=answer)

    async def explain(self, sample: Sample) -> Any:
        raise NotImplementedError

    async def group(self, answers: Sequence[str]) -> Sequence[int]:
        self.grouped.append(list(answers))
        values = [_value(answer) for answer in answers]
        return [values.index(value) for value in values]


def _value(answer: str) -> str:
    return {"1/2": "0.5", ".5": "0.5"}.get(answer, answer)


class First(Voter):
    """The class of the first ballot with an answer; what is written in capitals does not count."""

    name = "first"
    summary = "first"

    def read(self, answer: str | None, sample: Sample, options: Any) -> str | None:
        return None if answer is not None and answer.isupper() else answer

    def vote(self, ballots: Sequence[Ballot], options: Any) -> Vote | None:
        group = next((ballot.group for ballot in ballots if ballot.answer is not None), None)
        members = tuple(at for at, ballot in enumerate(ballots) if group is not None and ballot.group == group)
        return Vote(answer=ballots[members[0]].answer or "", supporters=members) if members else None

    def decided(self, ballots: Sequence[Ballot], missing: int, options: Any) -> bool:
        return missing < 2


class Doubled(First):
    """Counts 0.25 as 0.5."""

    def read(self, answer: str | None, sample: Sample, options: Any) -> str | None:
        return "0.5" if answer == "0.25" else answer


class Faulty(First):
    name = "faulty"

    def __init__(self, where: str) -> None:
        self._where = where

    def __getattribute__(self, name: str) -> Any:
        if name in ("read", "vote", "decided") and name == object.__getattribute__(self, "_where"):
            raise ValueError("a bug\nin the voter")
        return super().__getattribute__(name)


def judged(index: int, answer: str | None, state: str | None = None, text: str = "") -> tuple[Sample, Verdict]:
    found = state or ("no-answer" if answer is None else "correct" if _value(answer) == "0.5" else "wrong")
    transcript = Transcript((Segment("text", text or f"It is {answer}."),))
    sample = Sample(benchmark="b", split="s", problem=PROBLEM, sample_index=index, transcript=transcript)
    return sample, Verdict(state=found, answer=answer, score=0.25)  # type: ignore[arg-type]


def chosen(voter: Voter, options: Any = None) -> Chosen:
    return Chosen(voter, f"test:{voter.name}", "1", options)


def voted(voter: Voter, *cast: tuple[Sample, Verdict], judging: Halves | None = None) -> VoteRow:
    return asyncio.run(Voting(chosen(voter), judging or Halves()).vote(PROBLEM, cast))


# Ballots -------------------------------------------------------------------------------------------------------------


def test_ballots_are_in_order_with_the_classes_of_the_grader() -> None:
    cast = [judged(3, "1/2"), judged(0, "2"), judged(2, None), judged(1, "0.5"), judged(4, "HALF"), judged(5, ".5")]
    ballots = asyncio.run(Voting(chosen(First()), Halves()).ballots(cast))
    assert [ballot.sample.sample_index for ballot in ballots] == [0, 1, 2, 3, 4, 5]
    assert [ballot.answer for ballot in ballots] == ["2", "0.5", None, "1/2", None, ".5"]
    two, half, silent, *_ = (ballot.group for ballot in ballots)
    assert [ballot.group for ballot in ballots] == [two, half, None, half, None, half] and two != half
    assert silent is None and ballots[0].score == 0.25


def test_only_judged_answers_vote() -> None:
    """A grader may store what it found and held for no answer, and what it could not judge."""
    ballots = asyncio.run(
        Voting(chosen(First()), Halves()).ballots(
            [judged(0, "x", "no-answer"), judged(1, "y", "error"), judged(2, "2")]
        )
    )
    assert [ballot.answer for ballot in ballots] == [None, None, "2"]


def test_the_grader_is_asked_once_for_the_same_answers_and_never_for_one() -> None:
    async def ask() -> list[list[str]]:
        voting = Voting(chosen(First()), judging := Halves())
        cast = [judged(0, "2")]
        for index, answer in enumerate(["2", "1/2", "2", "2", "1/2", "1/2", "1/2"], 1):
            await voting.ballots(cast)
            cast.append(judged(index, answer))
        await voting.vote(PROBLEM, cast)
        return judging.grouped

    assert asyncio.run(ask()) == [["2", "1/2"], ["1/2", "2"]]  # the most frequent first, as for maj@k


def test_a_voter_is_asked_whether_it_is_decided() -> None:
    voting = Voting(chosen(First()), Halves())
    assert voting.decided([], 1) and not voting.decided([], 2)


# The verdict on the winner -------------------------------------------------------------------------------------------


def test_the_verdict_is_that_of_most_supporters() -> None:
    row = voted(First(), judged(0, "0.5"), judged(1, "2"), judged(2, "1/2"), judged(7, ".5", "wrong"))
    assert row == VoteRow(problem_id="p", state="correct", answer="0.5", ballots=4, supporters=(0, 2, 7))
    row = voted(First(), judged(0, "0.5"), judged(2, "1/2", "wrong"))
    assert row.state == "wrong"


def test_an_answer_that_the_voter_made_is_judged_anew() -> None:
    judging = Halves()
    row = voted(Doubled(), judged(0, "0.25"), judged(1, "0.25"), judging=judging)
    assert (row.state, row.answer, judging.judged) == ("correct", "0.5", ["\\boxed{0.5}"])
    judging = Halves()
    row = voted(Doubled(), judged(0, "0.25"), judged(1, "0.25"), judged(2, "0.5"), judging=judging)
    assert (row.state, row.supporters, judging.judged) == ("correct", (0, 1, 2), [])  # one sample says it verbatim


def test_no_vote_at_all() -> None:
    assert voted(First(), judged(0, None), judged(1, "X")) == VoteRow(problem_id="p", state="no-answer", ballots=2)
    row = voted(First(), judged(0, None, "error"), judged(1, None, "error"))
    assert (row.state, row.reason) == ("error", "no sample could be judged")


# Faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["read", "vote"])
def test_a_bug_in_the_voter_costs_the_problem_its_vote(where: str) -> None:
    row = voted(Faulty(where), judged(0, "2"), judged(1, "2"))
    assert (row.state, row.answer) == ("error", None)
    assert row.reason == "the voter 'faulty' raised ValueError: a bug in the voter"


def test_a_bug_in_what_is_asked_meanwhile_is_told_as_such() -> None:
    with pytest.raises(BrokenPlugin, match="the voter 'faulty' raised ValueError: a bug in the voter; tell its author"):
        Voting(chosen(Faulty("decided")), Halves()).decided([], 3)


def test_what_the_samples_of_a_problem_lack_costs_it_its_vote() -> None:
    class Needy(First):
        def vote(self, ballots: Sequence[Ballot], options: Any) -> Vote | None:
            raise CannotVote("sample 0 has no log-probabilities", "make some")

    row = voted(Needy(), judged(0, "2"))
    assert (row.state, row.reason) == ("error", "sample 0 has no log-probabilities; make some")


# A model that chooses ------------------------------------------------------------------------------------------------


class Choice(ModelVoter):
    """Asks which ballot is best, by its position."""

    name = "choice"
    summary = "asks"

    def questions(self, ballots: Sequence[Ballot], options: Any) -> Any:
        answers = [ballot.answer for ballot in ballots if ballot.answer is not None]
        if len(set(answers)) < 2:
            return First().vote(ballots, options)
        return ((Message("user", " or ".join(answers)),),)

    def conclude(self, ballots: Sequence[Ballot], options: Any, replies: Sequence[str]) -> Vote | None:
        if replies[0] == "none":
            return None
        if replies[0] == "?":
            return Vote(answer=ballots[0].answer or "", supporters=(0,), reason="the first", fallback=True)
        at = int(replies[0])
        return Vote(answer=ballots[at].answer or "", supporters=(at,), reason=f"it chose {at}")


class Chooser(Backend, Client):
    """A backend that is its own client; `answer` makes the text of each completion, or raises."""

    name = "talk"
    summary = "answers"

    def __init__(self, answer: Callable[[Request], str]) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def capabilities(self, options: Any = None) -> frozenset[str]:
        return frozenset({"chat", "temperature", "max_tokens", "seed"})

    @contextlib.asynccontextmanager
    async def open(self, target: Target, options: Any) -> AsyncIterator[Client]:
        yield self

    async def check(self) -> None: ...

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request.prompt[0].content)  # type: ignore[union-attr]
        return Completion(text=self._answer(request), finish_reason="stop")


def model_votes(
    backend: Chooser, *casts: Sequence[tuple[Sample, Verdict]], votes: int = 1, tell: Callable[[str], None] = print
) -> list[VoteRow]:
    """The rows of a Choice over `casts`, whose replies are kept in this folder."""
    options = ModelGraderOptions(model="m", votes=votes, temperature=0.7)
    model = AskedModel(
        role=CHOOSER,
        target=Target(ModelRef("m", "m")),
        backend=Chosen(backend, "test:talk", "1", PartOptions()),
        sampling=Sampling(temperature=0.7),
        seeded=votes > 1,
        concurrency=1,
        retries=0,
        patience=60.0,
    )

    async def vote() -> list[VoteRow]:
        async with Asker(model, Path("voter-cache.jsonl"), tell) as asker:
            voting = Voting(chosen(Choice(), options), Halves(), asker)
            return [await voting.vote(PROBLEM, cast) for cast in casts]

    return asyncio.run(vote())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_model_chooses_and_its_reply_is_kept() -> None:
    cast = [judged(0, "2"), judged(1, "0.5")]
    (row, other) = model_votes(backend := Chooser(lambda request: "1"), cast, [judged(0, "2"), judged(1, "2")])
    assert (row.state, row.answer, row.supporters, row.reason) == ("correct", "0.5", (1,), "it chose 1")
    assert (other.state, other.answer, backend.asked) == ("wrong", "2", ["2 or 0.5"])
    assert model_votes(again := Chooser(lambda request: "0"), cast) == [row] and again.asked == []
    assert json.loads(Path("voter-cache.jsonl").read_text())["text"] == "1"


@pytest.mark.usefixtures("here")
def test_without_a_reply_there_is_no_vote_until_there_is_one() -> None:
    def refuse(request: Request) -> str:
        raise RequestRefused("HTTP 400: too long")

    cast = [judged(0, "2"), judged(1, "0.5")]
    (row,) = model_votes(Chooser(refuse), cast)
    assert (row.state, row.reason) == ("error", "the voter's model gave no reply: HTTP 400: too long")
    (row,) = model_votes(Chooser(lambda request: "1"), cast)
    assert row.state == "correct"


@pytest.mark.usefixtures("here")
def test_a_model_that_is_lost_is_waited_for() -> None:
    class Leaving(Chooser):
        gone = False

        async def complete(self, request: Request) -> Completion:
            if len(self.asked) == 1 and not self.gone:
                self.gone = True
                raise RequestFailed("connection refused", connection=True)
            return await super().complete(request)

        async def ready(self) -> bool:
            was_gone, self.gone = self.gone, False
            self.asked += ["ready?"]
            return not was_gone

    told: list[str] = []
    casts = [[judged(0, "2"), judged(1, "0.5")], [judged(0, "2"), judged(1, "3")]]
    rows = model_votes(leaving := Leaving(lambda request: "1"), *casts, tell=told.append)
    assert [row.answer for row in rows] == ["0.5", "3"]
    assert leaving.asked == ["2 or 0.5", "ready?", "ready?", "2 or 3"]
    assert told == [
        "the voter's model: connection refused; waiting up to 60 s for the server to be back",
        "the voter's model: the server answers again",
    ]


@pytest.mark.usefixtures("here")
def test_of_several_choices_the_most_frequent_counts() -> None:
    cast = [judged(0, "2"), judged(1, "0.5"), judged(2, "3")]
    replies = {0: "0", 1: "1", 2: "none", 3: "1"}
    (row,) = model_votes(Chooser(lambda request: replies[request.seed or 0]), cast, votes=4)
    assert (row.answer, row.reason) == ("0.5", "2 of 3 choices: it chose 1")


@pytest.mark.usefixtures("here")
def test_a_fallback_is_marked_and_yields_to_any_choice() -> None:
    cast = [judged(0, "2"), judged(1, "0.5")]
    (row,) = model_votes(Chooser(lambda request: "?"), cast, votes=2)
    assert (row.answer, row.fallback, row.reason) == ("2", True, "2 of 2 choices: the first")
    replies = {0: "?", 1: "?", 2: "1"}
    (row,) = model_votes(Chooser(lambda request: replies[request.seed or 0]), [*cast, judged(2, "3")], votes=3)
    assert (row.answer, row.fallback, row.reason) == ("0.5", False, "1 of 1 choices: it chose 1")
    summary = summarise_votes(
        "v", [row, VoteRow(problem_id="q", state="wrong", fallback=True, early=True, cancelled=9)]
    )
    assert (summary.fallbacks, summary.early_stops, summary.cancelled, summary.accuracy.value) == (1, 1, 9, 0.5)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": None}, "no model is named that chooses; name it with -o voter.model=NAME"),
        ({"votes": 3}, "voter.votes above 1 with temperature 0"),
        ({"backend": "scriptd"}, "the voter's model: unknown backend 'scriptd'"),
        ({"base_url": "host", "backend": "scripted"}, "the voter's model: -o voter.base_url is not an address"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("scripted")
def test_a_model_that_cannot_be_asked_is_told_with_the_voters_options(options: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_chooser(ModelGraderOptions(**{"model": "m", **options}), Registry())
    assert error in str(caught.value)


# The file ------------------------------------------------------------------------------------------------------------


def test_votes_are_read_as_they_were_written(tmp_path: Path) -> None:
    first = VoteRow(problem_id="a", state="correct", answer="\ud800 1", share=0.5, ballots=4, supporters=(1, 3))
    second = VoteRow(problem_id="b", state="error", reason="x", early=True, cancelled=3, restarts=2, tokens=9)
    write_votes(tmp_path, [first, second])
    found = read_votes(tmp_path)
    assert found["b"] == second and found["a"].answer == "\ufffd 1"
    with RowLog(tmp_path / "samples.jsonl") as samples, vote_log(tmp_path, samples) as log:
        log.append(again := VoteRow(problem_id="b", state="wrong", answer="2"))
    assert read_votes(tmp_path)["b"] == again
    (tmp_path / "votes.jsonl").write_text('{"problem_id":"a","state":"correct"}\n{"problem_id":"b"}\n')
    with pytest.raises(SkillForgeError, match=r"votes.jsonl:2: not a valid row"):
        read_votes(tmp_path)
