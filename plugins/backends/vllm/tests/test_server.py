"""A real vLLM server: what it generates, what it says of itself, what it refuses."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from vllm_answers import GREEDY, QUESTION, Answers, asked

from skillforge import BackendUnusable, Client, ContextOverflow, Request, RequestRefused, Sampling
from skillforge_vllm import VllmBackend, VllmOptions

pytestmark = pytest.mark.xdist_group("vllm")

KEPT = '{"include_stop_str_in_output": true}'
ENDLESS = Sampling(max_tokens=480, temperature=2.0)


class TestAnswers(Answers):
    @pytest.fixture
    def place(self, vllm: Any) -> Any:
        return vllm


def test_the_contract_is_kept(vllm: Any, tools: Any, record_property: Any) -> None:
    tools.contract(record_property, "server", part=VllmBackend(), target=vllm.target)


def test_ids_of_a_prompt_and_an_answer_are_what_the_next_turn_goes_on_with(vllm: Any) -> None:
    sampling = Sampling(max_tokens=96, temperature=0.0, token_ids=True, stop=("=",))
    (first,) = vllm.ask(asked(Request(QUESTION, sampling)))
    assert first.stop == "="
    rest = Request(QUESTION, Sampling(max_tokens=96, temperature=0.0), prompt_ids=first.prompt_ids + first.token_ids)
    whole, second = vllm.ask(asked(Request(QUESTION, GREEDY), rest))
    assert f"{first.text}={second.text}" == whole.text


def test_log_probabilities_of_the_prompt_are_told_to_a_listener_too(vllm: Any) -> None:
    pieces: list[str] = []
    request = Request(QUESTION, Sampling(max_tokens=96, temperature=0.0, prompt_logprobs=0))
    answer = vllm.ask(lambda client: client.complete(request, pieces.append))
    assert pieces == [answer.text]
    assert len(answer.prompt_logprobs) == answer.prompt_tokens - 1
    assert all(each["top"] == {} for each in answer.prompt_logprobs)


def test_the_server_tells_its_models_their_context_and_that_it_is_ready(vllm: Any) -> None:
    async def work(client: Client) -> Any:
        await client.check()
        return await client.ready(), list(await client.models()), await client.context_length()

    assert vllm.ask(work) == (True, ["tiny"], 512)


def test_the_server_tells_its_version_and_what_is_none_is_left_out(vllm: Any) -> None:
    async def work(client: Client) -> Any:
        return dict(await client.versions())

    told = vllm.ask(work)
    assert list(told) == ["vllm"] and told["vllm"][0].isdigit()
    assert vllm._replace(url=f"{vllm.url}/behind-a-gateway/v1").ask(work) == {}
    assert vllm._replace(url="http://127.0.0.1:9/v1").ask(work) == {}


def test_an_unknown_model_ends_the_run_and_the_known_one_is_named(vllm: Any) -> None:
    with pytest.raises(BackendUnusable, match="no model 'tyny'; did you mean 'tiny'"):
        vllm.ask(lambda client: client.check(), "tyny")


def test_one_request_brings_several_samples_each_with_its_own_tokens(vllm: Any) -> None:
    sampling = Sampling(max_tokens=24, temperature=2.0, token_ids=True, logprobs=0)
    before = vllm.taken()
    samples = vllm.ask(asked(*[Request("<bos>", sampling)] * 6), n=6)
    assert vllm.taken() - before == 1
    assert len({each.text for each in samples}) > 1
    for each in samples:
        assert len(each.token_ids) == len(each.logprobs) == each.completion_tokens
        assert each.prompt_ids == samples[0].prompt_ids != ()


def test_several_samples_of_a_greedy_answer_are_refused(vllm: Any) -> None:
    with pytest.raises(RequestRefused, match="n must be 1 when using greedy sampling"):
        vllm.ask(asked(*[Request("<bos>", GREEDY)] * 2), n=2)


def test_a_stop_string_that_the_server_keeps_is_cut_off(vllm: Any) -> None:
    request = Request(QUESTION, Sampling(max_tokens=96, temperature=0.0, token_ids=True, stop=("=",)))
    (cut,), (kept,) = (vllm.ask(asked(request), extra_body=given) for given in (None, KEPT))
    assert (kept.text, kept.stop, kept.token_ids) == (cut.text, "=", cut.token_ids)


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
