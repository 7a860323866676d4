"""A real vLLM server: what it generates, what it says of itself, what it refuses."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Completion, ContextOverflow, Message, Request, RequestRefused, Sampling
from skillforge_vllm import VllmBackend, VllmOptions

pytestmark = pytest.mark.xdist_group("vllm")

QUESTION = (Message("user", "Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?"),)
GREEDY = Sampling(max_tokens=96, temperature=0.0)
ENDLESS = Sampling(max_tokens=480, temperature=2.0)


def asked(*requests: Request) -> Any:
    """Makes all completions at once."""

    async def work(client: Client) -> list[Completion]:
        return list(await asyncio.gather(*map(client.complete, requests)))

    return work


def test_the_contract_is_kept(vllm: Any, tools: Any, record_property: Any) -> None:
    tools.contract(record_property, "server", part=VllmBackend(), target=vllm.target)


def test_greedy_texts_equal_those_of_transformers(vllm: Any, greedy: dict[str, str]) -> None:
    requests = [Request((Message("user", question),), GREEDY) for question in greedy]
    answers = vllm.ask(asked(*requests))
    assert [answer.text for answer in answers] == list(greedy.values())
    assert all(answer.finish_reason == "stop" and answer.stop == "" for answer in answers)


def test_every_setting_of_sampling_has_its_effect(vllm: Any) -> None:
    hot = {"max_tokens": 24, "temperature": 2.0}
    settings = [
        Sampling(**hot), Sampling(**hot), Sampling(**hot, top_k=1), Sampling(**hot, top_p=1e-6),
        Sampling(**hot, min_p=1.0), Sampling(max_tokens=24, temperature=0.0),
        Sampling(max_tokens=24, temperature=0.0, repetition_penalty=2.0),
        Sampling(max_tokens=24, temperature=0.0, presence_penalty=2.0, frequency_penalty=2.0),
    ]  # fmt: skip
    requests = [Request("<bos>", sampling, seed=7) for sampling in settings]
    warm, again, *narrowed, greedy, unlike, rare = (answer.text for answer in vllm.ask(asked(*requests)))
    assert warm == again
    assert warm != greedy
    assert narrowed == [greedy] * 3
    assert len({greedy, unlike, rare}) == 3


def test_an_answer_follows_a_schema_in_chats_and_in_text(vllm: Any) -> None:
    sampling = Sampling(max_tokens=16, temperature=0.0, json_schema='{"type": "integer"}')
    for answer in vllm.ask(asked(Request(QUESTION, sampling), Request("3 + 4 = 7. ####", sampling))):
        assert type(json.loads(answer.text)) is int


def test_ids_of_a_prompt_and_an_answer_are_what_the_next_turn_goes_on_with(vllm: Any) -> None:
    sampling = Sampling(max_tokens=96, temperature=0.0, token_ids=True, stop=("=",))
    (first,) = vllm.ask(asked(Request(QUESTION, sampling)))
    assert first.stop == "="
    rest = Request(QUESTION, Sampling(max_tokens=96, temperature=0.0), prompt_ids=first.prompt_ids + first.token_ids)
    whole, second = vllm.ask(asked(Request(QUESTION, GREEDY), rest))
    assert f"{first.text}={second.text}" == whole.text


def test_a_stream_tells_when_it_began_and_what_it_says(vllm: Any) -> None:
    pieces: list[str] = []
    sampling = Sampling(max_tokens=96, temperature=0.0, logprobs=2, token_ids=True)
    answer = vllm.ask(lambda client: client.complete(Request(QUESTION, sampling), pieces.append))
    (whole,) = vllm.ask(asked(Request(QUESTION, sampling)))
    assert "".join(pieces) == answer.text == whole.text
    assert (answer.token_ids, answer.logprobs, answer.stop) == (whole.token_ids, whole.logprobs, "")
    assert answer.first_token > 0
    assert len(answer.logprobs) == len(answer.token_ids) == answer.completion_tokens
    assert all(each["top"][each["token"]] == each["logprob"] for each in answer.logprobs)


def test_the_server_tells_its_models_their_context_and_that_it_is_ready(vllm: Any) -> None:
    async def work(client: Client) -> Any:
        await client.check()
        return await client.ready(), list(await client.models()), await client.context_length()

    assert vllm.ask(work) == (True, ["tiny"], 512)


def test_an_unknown_model_ends_the_run_and_the_known_one_is_named(vllm: Any) -> None:
    with pytest.raises(BackendUnusable, match="no model 'tyny'; did you mean 'tiny'"):
        vllm.ask(lambda client: client.check(), "tyny")


def test_a_prompt_or_an_answer_beyond_the_context_is_told_as_such(vllm: Any) -> None:
    for prompt, most in (("pens " * 600, 8), ("pens", 5000)):
        with pytest.raises(ContextOverflow) as caught:
            vllm.ask(asked(Request(prompt, Sampling(max_tokens=most))))
        assert "pens" not in str(caught.value)


def test_settings_that_vllm_does_not_take_cost_one_sample(vllm: Any) -> None:
    with pytest.raises(RequestRefused, match="temperature must be in"):
        vllm.ask(asked(Request(QUESTION, Sampling(temperature=9.0, max_tokens=4))))


def test_cancelling_a_task_ends_its_request_on_the_server(vllm: Any) -> None:
    async def work(client: Client) -> int:
        tasks = [asyncio.create_task(client.complete(Request("<bos>", ENDLESS, seed))) for seed in range(40)]
        until = time.monotonic() + 30
        while not (seen := await asyncio.to_thread(vllm.at_work)) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return seen

    assert vllm.ask(work) > 0
    until = time.monotonic() + 20
    while vllm.at_work() and time.monotonic() < until:
        time.sleep(0.05)
    assert vllm.at_work() == 0


def test_a_server_that_is_not_there_is_not_ready(vllm: Any) -> None:
    async def run() -> None:
        target = vllm.target.__class__(vllm.target.model, "http://127.0.0.1:9/v1")
        async with VllmBackend().open(target, VllmOptions()) as client:
            assert not await client.ready()
            await client.check()

    with pytest.raises(BackendUnusable, match="cannot reach"):
        asyncio.run(run())
