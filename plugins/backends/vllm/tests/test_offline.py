"""vLLM's engine without a server, in a process of its own: one engine for all of these tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Completion, ContextOverflow, Message, Request, RequestRefused, Sampling
from skillforge_vllm import VllmBackend

pytestmark = pytest.mark.xdist_group("vllm")

QUESTION = (Message("user", "Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?"),)
GREEDY = Sampling(max_tokens=96, temperature=0.0)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm") / "engine.log"


@pytest.fixture(scope="module")
def engine(vllm: Any, background: Any, log: Path) -> Any:
    background.open(VllmBackend(), vllm.weights, vllm.options(mode="offline", log=str(log)))
    return background


def each(*requests: Request) -> Any:
    async def work(client: Client) -> list[Completion]:
        return list(await asyncio.gather(*map(client.complete, requests)))

    return work


def test_the_contract_is_kept(engine: Any, vllm: Any, tools: Any, record_property: Any, tmp_path: Path) -> None:
    options = vllm.options(mode="offline", log=str(tmp_path / "log"))
    part = tools.opened_elsewhere(engine)
    tools.contract(record_property, "offline", part=part, target=vllm.weights, options=options)


def test_greedy_texts_equal_those_of_transformers(engine: Any, greedy: dict[str, str]) -> None:
    answers = engine.ask(each(*(Request((Message("user", question),), GREEDY) for question in greedy)))
    assert [answer.text for answer in answers] == list(greedy.values())
    assert all(answer.finish_reason == "stop" and answer.stop == "" for answer in answers)


def test_every_setting_of_sampling_has_its_effect(engine: Any) -> None:
    hot = {"max_tokens": 24, "temperature": 2.0}
    settings = [
        Sampling(**hot), Sampling(**hot), Sampling(**hot, top_k=1), Sampling(**hot, top_p=1e-6),
        Sampling(**hot, min_p=1.0), Sampling(max_tokens=24, temperature=0.0),
        Sampling(max_tokens=24, temperature=0.0, repetition_penalty=2.0),
        Sampling(max_tokens=24, temperature=0.0, presence_penalty=2.0, frequency_penalty=2.0),
    ]  # fmt: skip
    requests = [Request("<bos>", sampling, seed=7) for sampling in settings]
    warm, again, *narrowed, greedy, unlike, rare = (answer.text for answer in engine.ask(each(*requests)))
    assert warm == again
    assert warm != greedy
    assert narrowed == [greedy] * 3
    assert len({greedy, unlike, rare}) == 3


def test_a_message_that_is_gone_on_with_keeps_its_last_space(engine: Any) -> None:
    (whole,) = engine.ask(each(Request(QUESTION, GREEDY)))
    begun = whole.text[: whole.text.index("=") + 1]
    goes_on = Request(
        (*QUESTION, Message("assistant", begun)), Sampling(max_tokens=96, temperature=0.0, token_ids=True)
    )
    plain = Request(QUESTION, Sampling(max_tokens=1, temperature=0.0, token_ids=True))
    rest, prompt = engine.ask(each(goes_on, plain))
    assert begun + rest.text == whole.text
    assert rest.prompt_ids[: len(prompt.prompt_ids)] == prompt.prompt_ids


def test_log_probabilities_are_told_streamed_or_not(engine: Any) -> None:
    pieces: list[str] = []
    sampling = Sampling(max_tokens=96, temperature=0.0, logprobs=2, token_ids=True)
    answer = engine.ask(lambda client: client.complete(Request(QUESTION, sampling), pieces.append))
    (whole,) = engine.ask(each(Request(QUESTION, sampling)))
    assert "".join(pieces) == answer.text == whole.text
    assert (answer.token_ids, answer.logprobs) == (whole.token_ids, whole.logprobs)
    assert len(answer.logprobs) == len(answer.token_ids) == answer.completion_tokens
    assert all(len(each["top"]) == 2 and each["top"][each["token"]] == each["logprob"] for each in answer.logprobs)
    assert answer.first_token > 0


def test_an_answer_follows_a_schema(engine: Any) -> None:
    sampling = Sampling(max_tokens=16, temperature=0.0, json_schema='{"type": "integer"}')
    (answer,) = engine.ask(each(Request(QUESTION, sampling)))
    assert type(json.loads(answer.text)) is int


def test_requests_join_the_running_batch_and_leave_it_when_cancelled(engine: Any) -> None:
    async def work(client: Client) -> Completion:
        endless = Sampling(max_tokens=490, temperature=2.0)
        slow = [asyncio.create_task(client.complete(Request("<bos>", endless, seed))) for seed in range(64)]
        heard = asyncio.Event()
        slow.append(asyncio.create_task(client.complete(Request("<bos>", endless), lambda _: heard.set())))
        await heard.wait()
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return await client.complete(Request(QUESTION, GREEDY))

    assert "####" in engine.ask(work).text


def test_a_listener_that_fails_costs_its_own_request_alone(engine: Any) -> None:
    def listen(piece: str) -> None:
        raise OSError("nobody there")

    async def work(client: Client) -> list[Any]:
        doomed = client.complete(Request(QUESTION, GREEDY), listen)
        return await asyncio.gather(doomed, client.complete(Request(QUESTION, GREEDY)), return_exceptions=True)

    failed, whole = engine.ask(work)
    assert isinstance(failed, OSError)
    assert "####" in whole.text


def test_what_cannot_be_done_costs_one_request(engine: Any) -> None:
    refused = [
        Request("pens " * 600, GREEDY),
        Request(QUESTION, Sampling(temperature=9.0)),
        Request(QUESTION, Sampling(max_tokens=4, json_schema="{")),
        Request("\ud800", GREEDY),
    ]
    errors: list[type[Exception]] = []
    for request in refused:
        with pytest.raises(RequestRefused) as caught:
            engine.ask(each(request))
        assert "pens" not in str(caught.value)
        errors.append(caught.type)
    assert errors == [ContextOverflow, RequestRefused, RequestRefused, RequestRefused]


def test_an_engine_that_is_killed_ends_the_run_with_its_last_words(engine: Any, tools: Any, log: Path) -> None:
    """The last of the module: there is no engine after it."""

    async def work(client: Client) -> None:
        task = asyncio.create_task(client.complete(Request("<bos>", Sampling(max_tokens=490, temperature=2.0))))
        await asyncio.sleep(0.05)
        for pid in tools.writers(log):
            os.kill(pid, signal.SIGKILL)
        await task

    with pytest.raises(BackendUnusable, match=r"vLLM ended; its output is in .*engine.log, which ends:\n"):
        engine.ask(work)
    with pytest.raises(BackendUnusable):
        engine.ask(each(Request(QUESTION, GREEDY)))
    assert not engine.run(engine.client.ready())
