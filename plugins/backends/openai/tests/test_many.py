"""Several samples of a prompt in one request (`n`)."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from evaluation import PROBLEMS, Eval
from in_thread import InThread

from skillforge import (
    BackendUnusable,
    Client,
    Completion,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    Sampling,
    Target,
    UsageError,
)
from skillforge_openai import OpenAIBackend, OpenAIOptions
from skillforge_openai.many_client import shared_out

WARM = Sampling(temperature=1.0)
QUESTION = Request((Message("user", "2 + 2?"),), WARM)
OTHER = Request((Message("user", "3 + 3?"),), WARM)


def choices(*texts: str, tokens: int | None = None, **fields: Any) -> dict[str, Any]:
    """An answer with a choice for each text, the last one first: the order is not promised."""
    made = [
        {"index": index, "message": {"content": text}, "finish_reason": "stop", **fields}
        for index, text in enumerate(texts)
    ]
    return {"choices": made[::-1], "usage": {"prompt_tokens": 9, "completion_tokens": tokens}}


def all_of(*requests: Request) -> Any:
    async def call(client: Client) -> list[Completion | BaseException]:
        return await asyncio.gather(*map(client.complete, requests), return_exceptions=True)

    return call


def bodies(outcome: Any) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in outcome.server.received]


def test_requests_that_are_alike_go_as_one(lab: SimpleNamespace) -> None:
    answer = lab.http(200, choices("a", "b", "c", tokens=30))
    outcome = lab.ask(answer, call=all_of(QUESTION, QUESTION, QUESTION), n=8)
    assert [each.text for each in outcome.completion] == ["a", "b", "c"]
    assert [each.completion_tokens for each in outcome.completion] == [10, 10, 10]
    assert {each.prompt_tokens for each in outcome.completion} == {9}
    assert [body["n"] for body in bodies(outcome)] == [3]


def test_no_request_asks_for_more_than_n_and_other_prompts_go_alone(lab: SimpleNamespace) -> None:
    two, one = lab.http(200, choices("a", "b")), lab.chat("c")
    outcome = lab.ask(two, two, one, one, call=all_of(QUESTION, OTHER, *[QUESTION] * 4), n=2)
    sent = [(body["messages"][0]["content"], body.get("n", 1)) for body in bodies(outcome)]
    assert sorted(sent) == [("2 + 2?", 1), ("2 + 2?", 2), ("2 + 2?", 2), ("3 + 3?", 1)]


def test_requests_are_under_way_side_by_side(lab: SimpleNamespace) -> None:
    async def call(client: Client) -> str:
        lost = asyncio.create_task(client.complete(QUESTION))
        await asyncio.sleep(0.1)
        answered = await client.complete(OTHER)
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        return answered.text

    assert lab.ask("hang", lab.chat("6"), call=call, n=4).completion == "6"


def test_a_request_that_nobody_waits_for_is_given_up(lab: SimpleNamespace) -> None:
    async def run() -> None:
        async with lab.Server("hang") as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with OpenAIBackend().open(target, OpenAIOptions(n=2)) as client:
                tasks = [asyncio.create_task(client.complete(QUESTION)) for _ in range(2)]
                await asyncio.sleep(0.1)
                for task in tasks:
                    task.cancel()
                await asyncio.wait_for(server.lost.wait(), 5)

    asyncio.run(run())


def test_one_choice_that_broke_off_costs_no_other(lab: SimpleNamespace) -> None:
    answer = choices("a", "b")
    answer["choices"][0]["finish_reason"] = "abort"
    first, second = lab.ask(lab.http(200, answer), call=all_of(QUESTION, QUESTION), n=2).completion
    assert first.text == "a"
    assert isinstance(second, RequestFailed)


def test_tokens_are_counted_where_their_log_probabilities_are_told(lab: SimpleNamespace) -> None:
    answer = choices("long", "b", tokens=4)
    for choice, count in zip(answer["choices"], (3, 1), strict=True):
        choice["logprobs"] = {"content": [{"token": "t", "logprob": -0.1, "top_logprobs": []}] * count}
    asked = Request(QUESTION.prompt, Sampling(temperature=1.0, logprobs=0))
    completions = lab.ask(lab.http(200, answer), call=all_of(asked, asked), n=2).completion
    assert [(each.text, each.completion_tokens) for each in completions] == [("long", 1), ("b", 3)]


def test_a_server_that_knows_no_n_is_told_of(lab: SimpleNamespace) -> None:
    failed = lab.ask(lab.chat("a"), call=all_of(QUESTION, QUESTION), n=2).completion
    assert all(isinstance(each, BackendUnusable) for each in failed)
    assert "gives 1 of the 2 samples that a request asks for; leave out -o backend.n" in str(failed[0])


@pytest.mark.parametrize(
    ("total", "weights", "parts"), [(10, [1, 1, 1], [3, 4, 3]), (0, [5, 1], [0, 0]), (7, [1, 6], [1, 6]), (1, [1], [1])]
)
def test_what_is_shared_out_adds_up(total: int, weights: list[int], parts: list[int]) -> None:
    assert shared_out(total, weights) == parts


def test_n_has_neither_seeds_nor_streams() -> None:
    lost = OpenAIBackend().capabilities(OpenAIOptions()) - OpenAIBackend().capabilities(OpenAIOptions(n=2))
    assert lost == {"seed", "stream"}


@pytest.mark.parametrize("options", [{"batch": True}, {"api": "responses"}])
def test_n_is_refused_where_it_cannot_be(options: dict[str, Any]) -> None:
    target = Target(ModelRef("m", "m"), "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"backend\.n"):
        OpenAIBackend().preview(QUESTION, target, OpenAIOptions(n=2, **options))


class Provider(InThread):
    """Answers each sum with as many samples as are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _chat(self, request: web.Request) -> web.Response:
        n = (await request.json()).get("n", 1)
        self.asked.append(n)
        return web.json_response(choices(*[f"#### {number}" for number in range(n)], tokens=5 * n))


def test_an_eval_asks_for_the_samples_of_a_problem_at_once(tmp_path: Any) -> None:
    pytest.importorskip("skillforge_forge_arith")
    with Provider() as provider:
        run = Eval(provider.url, tmp_path, "--temperature", 1, "--repeats", 16, "-o", "backend.n=16")
        run.finish("--concurrency", 64)
    samples = run.samples()
    assert len({(problem, index) for problem, index, _ in samples}) == len(samples) == 16 * PROBLEMS
    assert sum(provider.asked) == 16 * PROBLEMS
    assert len(provider.asked) < 3 * PROBLEMS
