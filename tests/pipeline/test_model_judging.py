"""A model as judge, called from Python: what is asked, what is kept, and what a fault comes to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from aiohttp import web
from msgspec import Meta

from skillforge import (
    Backend,
    BackendUnusable,
    Client,
    Completion,
    ContextOverflow,
    Message,
    ModelRef,
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
)
from skillforge.parts.grader import ModelGrader, ModelGraderOptions
from skillforge.pipeline.asked_model import JUDGE, AskedModel
from skillforge.pipeline.asking import Asker
from skillforge.pipeline.grading_pool import GradingPool
from skillforge.pipeline.grading_process import Judge as GradingJudge
from skillforge.pipeline.model_judging import ModelJudging, find_judge, majority
from skillforge.pipeline.resolve import Chosen
from skillforge.registry import Registry


class Doubting(ModelGrader):
    """Asks once or twice whether the text is right; knows by itself what is empty."""

    name = "doubting"
    summary = "asks"

    def questions(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None) -> Any:
        text = transcript.answer_text
        if "bug" in text:
            raise ValueError("a bug in the grader")
        if not text:
            return Verdict(state="no-answer")
        doubts = ("Sure?", "Really?") if "twice" in text else ("Sure?",)
        return tuple((Message("user", f"{text} {doubt}"),) for doubt in doubts)

    def conclude(
        self, problem: Problem, transcript: Transcript, options: Any, answer: str | None, replies: Any
    ) -> Verdict:
        if "fault" in transcript.answer_text:
            raise ValueError("a bug in the grader")
        return Verdict(
            state="correct" if all(reply == "yes" for reply in replies) else "wrong", reason=" ".join(replies)
        )


class TalkOptions(PartOptions, frozen=True, kw_only=True):
    mood: Annotated[str, Meta(description="Mood.")] = "good"


class Judge(Backend, Client):
    """A backend that is its own client; `answer` makes the text of each completion, or raises."""

    name = "talk"
    summary = "answers"
    Options = TalkOptions

    def __init__(self, answer: Callable[[Request], str], finish_reason: str = "stop") -> None:
        self.asked: list[Request] = []
        self.opened = 0
        self.most = self.open_now = 0
        self.complaint: str | None = None
        self.able = frozenset({"chat", "temperature", "max_tokens", "seed"})
        self._answer = answer
        self._finish_reason = finish_reason

    def capabilities(self, options: Any = None) -> frozenset[str]:
        """Of the backend and, without options, of the client."""
        return self.able

    @contextlib.asynccontextmanager
    async def open(self, target: Target, options: Any) -> AsyncIterator[Client]:
        self.opened += 1
        opener = asyncio.current_task()
        yield self
        assert asyncio.current_task() is opener, "what is opened in one task may have to be closed there"

    async def check(self) -> None:
        if self.complaint:
            raise BackendUnusable(self.complaint, "correct --base-url")

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            return Completion(text=self._answer(request), finish_reason=self._finish_reason, completion_tokens=7)
        finally:
            self.open_now -= 1


def sample(text: str, index: int = 0, **facts: Any) -> Sample:
    transcript = Transcript((Segment("text", text),))
    problem = Problem(id="0", question="?", expected_answer="1")
    return Sample(benchmark="b", split="s", problem=problem, sample_index=index, transcript=transcript, **facts)


def yes(request: Request) -> str:
    return "yes"


def judged(
    backend: Judge, *texts: str, concurrency: int = 2, retries: int = 0, method: str = "judge", **options: Any
) -> list[Any]:
    """What `method` makes of samples with these texts, all at the same time, in a run in this folder."""
    given = ModelGraderOptions(model="m", **options)
    model = AskedModel(
        role=JUDGE,
        target=Target(ModelRef("m", "m")),
        backend=Chosen(backend, "test:talk", "1", TalkOptions()),
        sampling=Sampling(temperature=given.temperature, max_tokens=given.max_tokens),
        seeded=given.votes > 1,
        concurrency=concurrency,
        retries=retries,
        patience=0.0,
    )

    async def judge() -> list[Any]:
        async with Asker(model, Path("cache.jsonl"), print) as asker:
            judging = ModelJudging(Doubting(), given, None, asker, None)  # type: ignore[arg-type]
            return await asyncio.gather(*(getattr(judging, method)(sample(text)) for text in texts))

    return asyncio.run(judge())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_question_is_asked_once_now_and_never_again() -> None:
    judge = Judge(yes)
    first = judged(judge, *["One."] * 20, "Two.", "", "twice")
    assert [verdict.state for verdict in first] == ["correct"] * 21 + ["no-answer", "correct"]
    assert sorted(request.prompt[0].content for request in judge.asked) == [
        "One. Sure?", "Two. Sure?", "twice Really?", "twice Sure?",
    ]  # fmt: skip
    again = Judge(yes)
    assert judged(again, *["One."] * 20, "Two.", "", "twice") == first
    assert again.asked == [] and again.opened == 0


def test_the_cache_outlives_a_kill_and_knows_what_decides() -> None:
    judged(Judge(yes), "One.", "Two.")
    path = Path("cache.jsonl")
    path.write_bytes(path.read_bytes()[:-10])
    judge = Judge(yes)
    judged(judge, "One.", "Two.")
    assert len(judge.asked) == 1
    assert len({json.loads(line)["key"] for line in path.read_text().splitlines()}) == 2
    for change in ({"max_tokens": 5}, {"temperature": 0.5}, {"temperature": None}):
        judged(other := Judge(yes), "One.", **change)
        assert len(other.asked) == 1, change
    path.write_text('{"key": 3}\n')
    with pytest.raises(SkillForgeError, match=r"cache.jsonl:1: not a valid row"):
        judged(Judge(yes), "One.")


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    judge = Judge(yes)
    judged(judge, *map(str, range(30)), concurrency=3)
    assert judge.most == 3 and len(judge.asked) == 30


def test_a_question_that_fails_costs_its_sample_alone() -> None:
    def answer(request: Request) -> str:
        if "long" in request.prompt[0].content:
            raise RequestRefused("HTTP 400: too long")
        return "no"

    verdicts = judged(Judge(answer), "long", "short", "twice as long")
    assert [verdict.state for verdict in verdicts] == ["error", "wrong", "error"]
    assert verdicts[0].reason == "the judge gave no reply: HTTP 400: too long"


def test_a_question_with_less_room_for_its_reply_is_asked_for_less() -> None:
    def answer(request: Request) -> str:
        if "long" in request.prompt[0].content:
            raise ContextOverflow("the prompt is too long", "shorten the prompt", room=0)
        if request.sampling.max_tokens != 9:
            raise ContextOverflow("too long", room=9)
        return "no"

    verdicts = judged(Judge(answer), "long", "short")
    assert [verdict.state for verdict in verdicts] == ["error", "wrong"]
    assert verdicts[0].reason == "the judge gave no reply: the prompt is too long; shorten the prompt"
    (verdict,) = judged(Judge(answer, finish_reason="length"), "shorter")
    assert verdict.reason.endswith("it was cut off after 7 tokens, where the judge's context was full")


def test_what_can_pass_is_tried_again() -> None:
    left = [RequestFailed("HTTP 503", throttled=True, retry_after=0.0)]

    def answer(request: Request) -> str:
        if left:
            raise left.pop()
        return "yes"

    assert judged(Judge(answer), "One.", retries=1)[0].state == "correct"


def test_a_judge_that_is_lost_gives_errors_that_are_asked_again_later() -> None:
    answers = 0

    def answer(request: Request) -> str:
        nonlocal answers
        answers += 1
        if answers > 3:
            raise RequestFailed("connection refused", connection=True, retry_after=0.0)
        return "yes"

    texts = [f"{number}." for number in range(20)]
    verdicts = judged(judge := Judge(answer), *texts, concurrency=1)
    assert [verdict.state for verdict in verdicts] == ["correct"] * 3 + ["error"] * 17
    assert {verdict.reason for verdict in verdicts[3:]} == {
        "the judge gave no reply: connection refused, 1 times in a row"
    }
    assert len(judge.asked) == 4
    verdicts = judged(judge := Judge(yes), *texts)
    assert {verdict.state for verdict in verdicts} == {"correct"} and len(judge.asked) == 17


class LeavingServer:
    """A server that says yes to as many questions as it is told, is gone then, and comes back where it was."""

    def __init__(self, answers: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}/v1"
        self.answered: Counter[str] = Counter()
        self._answers = answers
        self._left: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._left is not None:
            await self._left
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "wise"}]})

    async def _complete(self, request: web.Request) -> web.Response:
        question = (await request.json())["messages"][0]["content"]
        if self.answered.total() == self._answers and (self._left is None or not self._left.done()):
            self._left = self._left or asyncio.create_task(self.stop())
            await asyncio.sleep(60)  # until it is cancelled, and the connection closed
        self.answered[question] += 1
        message = {"role": "assistant", "content": "yes"}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def judged_by_a_server_that_leaves(questions: int, answers: int, back: bool, **options: Any) -> tuple[Any, ...]:
    """The verdicts on so many samples, what the server answered, and what was told; it comes `back` once that is told."""
    pytest.importorskip("skillforge_openai")
    told: list[str] = []

    async def judge() -> tuple[Any, ...]:
        server = LeavingServer(answers)
        waiting = asyncio.Event()

        def tell(text: str) -> None:
            told.append(text.replace(server.address, "ADDRESS"))
            waiting.set()

        await server.start()
        given = ModelGraderOptions(model="wise", base_url=server.address, concurrency=3, retries=0, **options)
        try:
            async with Asker(find_judge(given, Registry()), Path("cache.jsonl"), tell) as asker:
                judging = ModelJudging(Doubting(), given, None, asker, None)  # type: ignore[arg-type]
                work = asyncio.gather(*(judging.judge(sample(f"{number}.")) for number in range(questions)))
                if back:
                    await asyncio.wait_for(waiting.wait(), 60)
                    await server.start()
                return await work, server.answered, told
        finally:
            await server.stop()

    return asyncio.run(judge())


def test_a_judge_whose_server_is_lost_is_waited_for() -> None:
    verdicts, answered, told = judged_by_a_server_that_leaves(20, answers=5, back=True, patience=60)
    assert [verdict.state for verdict in verdicts] == ["correct"] * 20
    assert len(answered) == 20 and set(answered.values()) == {1}, "a question was answered twice"
    lost, found = told
    assert lost.startswith("the judge: ") and lost.endswith("; waiting up to 60 s for the server to be back")
    assert found == "the judge: the server answers again"


def test_a_judge_whose_server_stays_lost_gives_errors_that_are_asked_again_later() -> None:
    verdicts, answered, told = judged_by_a_server_that_leaves(20, answers=5, back=False, patience=0.3)
    assert Counter(verdict.state for verdict in verdicts) == {"correct": 5, "error": 15}
    assert all(
        verdict.reason.startswith("the judge gave no reply: ") and "nothing came back in 0.3 s" in verdict.reason
        for verdict in verdicts
        if verdict.state == "error"
    )
    assert len(told) == 1 and "waiting up to 0.3 s" in told[0]
    replied = Path("cache.jsonl").read_text().splitlines()
    assert len(replied) == answered.total() == 5


def test_without_patience_a_lost_judge_is_not_waited_for() -> None:
    verdicts, _, told = judged_by_a_server_that_leaves(6, answers=5, back=False, patience=0)
    assert Counter(verdict.state for verdict in verdicts) == {"correct": 5, "error": 1} and told == []


def test_a_judge_that_never_answered_ends_the_run() -> None:
    def gone(request: Request) -> str:
        raise BackendUnusable("no model 'm'", "name it with --model")

    with pytest.raises(BackendUnusable, match=r"the judge: no model 'm'; name it with -o grader.model"):
        judged(Judge(gone), "One.", "Two.")
    judge = Judge(yes)
    judge.complaint = "cannot reach it"
    with pytest.raises(BackendUnusable, match=r"the judge: cannot reach it; correct -o grader.base_url"):
        judged(judge)  # before anything is asked
    assert not Path("cache.jsonl").exists()


@pytest.mark.parametrize(
    ("lacking", "error"),
    [
        ("chat", "takes no chat prompts; choose another -o grader.backend"),
        ("max_tokens", "cannot do -o grader.max_tokens; choose another -o grader.backend"),
        (
            "temperature",
            "cannot do -o grader.temperature; leave it out with -o grader.temperature=none, or choose another"
            " -o grader.backend",
        ),
    ],
)
def test_what_the_open_model_lacks_is_refused_before_it_is_asked(lacking: str, error: str) -> None:
    judge = Judge(yes)
    judge.able -= {lacking}
    with pytest.raises(UsageError) as caught:
        judged(judge, "One.")
    assert str(caught.value) == f"the judge: the server of the model 'm' {error}"
    assert judge.asked == []


def test_an_open_model_without_seeds_is_asked_for_votes_without_them() -> None:
    judge = Judge(yes)
    judge.able -= {"seed"}
    assert judged(judge, "One.", votes=3, temperature=0.7)[0].state == "correct"
    assert [request.seed for request in judge.asked] == [None] * 3


def test_what_cannot_be_sent_is_told_with_the_judges_options() -> None:
    def answer(request: Request) -> str:
        raise UsageError("the model wants a limit", "set --max-tokens, or -o backend.limit=9; see --help")

    with pytest.raises(UsageError) as caught:
        judged(Judge(answer), "One.")
    assert str(caught.value) == (
        "the judge: the model wants a limit; set -o grader.max_tokens, or -o grader.backend_options=limit=9; see --help"
    )


def test_a_bug_in_the_grader_is_an_error_that_names_it() -> None:
    verdicts = judged(Judge(yes), "bug", "fault", "fine")
    assert [verdict.state for verdict in verdicts] == ["error", "error", "correct"]
    assert verdicts[0].reason == verdicts[1].reason == "the grader 'doubting' raised ValueError: a bug in the grader"


def test_a_reply_that_is_cut_off_is_no_verdict() -> None:
    (verdict,) = judged(Judge(yes, finish_reason="length"), "One.", max_tokens=7)
    assert verdict.state == "error" and "could not be parsed: it was cut off at 7 tokens" in verdict.reason


def test_text_that_no_file_can_hold_is_asked_about_and_kept() -> None:
    judge = Judge(lambda request: "\ud800")
    assert judged(judge, "half \udfff")[0].state == "wrong"
    judged(judge, "half \udfff")
    assert len(judge.asked) == 1


def test_votes_are_asked_apart_and_more_than_half_decide() -> None:
    judge = Judge(lambda request: "yes" if request.seed in (0, 2) else "no")
    (verdict,) = judged(judge, "One.", votes=3, temperature=0.7)
    assert verdict.state == "correct" and verdict.reason == "yes (2 of 3 votes)"
    assert sorted(request.seed for request in judge.asked) == [0, 1, 2]
    (verdict,) = judged(judge, "One.", votes=4, temperature=0.7)
    assert verdict.state == "error" and verdict.reason == "undecided: the votes are 2 correct, 2 wrong"
    assert len(judge.asked) == 4  # one more vote, one more question


def test_a_tie_and_a_loss_are_different_votes() -> None:
    tie, loss, fault = (Verdict(state="wrong", score=0.5), Verdict(state="wrong", score=0.0), Verdict(state="error"))
    assert majority([tie, loss, fault]).state == "error"
    assert majority([loss, tie, loss]).score == 0.0
    assert majority([fault]) is fault


def test_a_sample_without_an_answer_is_not_judged() -> None:
    async def judge() -> Verdict:
        judging = ModelJudging(Doubting(), ModelGraderOptions(), None, None, None)  # type: ignore[arg-type]
        return await judging.judge(sample("", state="error", error="HTTP 400"))

    assert asyncio.run(judge()) == Verdict(state="error", reason="HTTP 400")


def test_stopping_leaves_no_task_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def stopped() -> None:
        endless = Judge(yes)
        endless.complete = lambda request: asyncio.Event().wait()  # type: ignore[method-assign,assignment,return-value]
        model = AskedModel(
            role=JUDGE, target=Target(ModelRef("m", "m")), backend=Chosen(endless, "test:talk", "1", TalkOptions()),
            sampling=Sampling(), seeded=False, concurrency=1, retries=0, patience=0.0,
        )  # fmt: skip
        async with Asker(model, Path("cache.jsonl"), print) as asker:
            judging = ModelJudging(Doubting(), ModelGraderOptions(model="m"), None, asker, None)  # type: ignore[arg-type]
            task = asyncio.gather(judging.judge(sample("One.")), judging.judge(sample("Two.")))
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert len(asyncio.all_tasks()) == 1

    with caplog.at_level(logging.ERROR):
        asyncio.run(stopped())
    assert caplog.text == ""


def test_an_explanation_shows_questions_and_replies_and_asks_nothing_twice() -> None:
    judge = Judge(lambda request: "yes" if "Sure" in request.prompt[0].content else "no")
    assert judged(judge, "twice")[0].state == "wrong"
    steps = judged(judge, "twice", method="explain")[0]
    assert [(step.name, step.outcome, step.detail) for step in steps] == [
        ("question", "asked", "twice Sure?"), ("reply", "stop", "yes"),
        ("question", "asked", "twice Really?"), ("reply", "stop", "no"),
        ("verdict", "wrong", "yes no"),
    ]  # fmt: skip
    assert len(judge.asked) == 2
    assert [step.outcome for step in judged(judge, "", method="explain")[0]] == ["no-answer"]


class Grouping(Doubting):
    def group(self, answers: Any, options: Any) -> list[int]:
        return [len(answer) // len(answers[0]) for answer in answers]


def test_answers_are_grouped_by_the_grader_or_by_their_text() -> None:
    async def grouped(*answers: str) -> list[int]:
        async with GradingPool(GradingJudge(Grouping(), ModelGraderOptions(), None)) as pool:
            judging = ModelJudging(Grouping(), ModelGraderOptions(), None, None, pool)  # type: ignore[arg-type]
            return list(await judging.group(answers))

    assert asyncio.run(grouped("a", "b", "cc")) == [1, 1, 2]
    assert asyncio.run(grouped("", "b", "")) == [0, 1, 0]


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": None}, "no model is named that judges"),
        ({"votes": 3}, "grader.votes above 1 with temperature 0"),
        ({"backend": "scriptd"}, "the judge: unknown backend 'scriptd'; did you mean"),
        ({"backend": "scripted", "backend_options": ("x",)}, "'x' in grader.backend_options is not NAME=VALUE"),
        ({"backend": "scripted", "backend_options": ("stile=x",)}, "the judge: unknown option 'backend.stile'"),
        ({"base_url": "host", "backend": "scripted"}, "the judge: -o grader.base_url is not an address"),
        ({"base_url": "http://u:hunter2@host", "backend": "scripted"}, "holds a user, a password or a query"),
        ({"base_url": "http://host?key=hunter2", "backend": "scripted"}, "holds a user, a password or a query"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_starts(options: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_judge(ModelGraderOptions(**{"model": "m", **options}), Registry())
    assert error in str(caught.value) and "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("scripted")
def test_what_the_judges_backend_lacks_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ModelGraderOptions(model="m", backend="scripted-narrow")
    backend = find_judge(options, Registry()).backend.part
    monkeypatch.setattr(type(backend), "capabilities", lambda self, options: frozenset({"chat", "max_tokens"}))
    with pytest.raises(
        UsageError, match=r"the judge: the backend 'scripted-narrow' cannot do -o grader\.temperature; "
    ):
        find_judge(options, Registry())
    assert find_judge(msgspec.structs.replace(options, temperature=None), Registry()).sampling.temperature is None


@pytest.mark.usefixtures("scripted")
def test_a_judge_is_found_as_a_model_is() -> None:
    found = find_judge(ModelGraderOptions(model="scripted-model", backend_options=("latency=1",)), Registry())
    assert found.backend.id == "skillforge-scripted:scripted" and found.backend.options.latency == 1.0
    assert found.target.model.location == "/nowhere" and not found.seeded
    assert (found.sampling.temperature, found.sampling.max_tokens) == (0.0, 1024)
    voting = ModelGraderOptions(model="m", backend="scripted", votes=3, temperature=0.7)
    assert find_judge(voting, Registry()).seeded
    narrow = ModelGraderOptions(model="m", backend="scripted-narrow", votes=3, temperature=0.7)
    assert not find_judge(narrow, Registry()).seeded
