"""vLLM's engine without a server, in a process of its own: one engine for all of these tests."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from vllm_answers import GREEDY, QUESTION, Answers, asked

from skillforge import BackendUnusable, Client, Completion, ContextOverflow, Message, Request, RequestRefused, Sampling
from skillforge_vllm import VllmBackend

pytestmark = pytest.mark.xdist_group("vllm")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm") / "engine.log"


@pytest.fixture(scope="module")
def engine(vllm: Any, background: Any, log: Path) -> Any:
    background.open(VllmBackend(), vllm.weights, vllm.options(mode="offline", log=str(log)))
    return background


class TestAnswers(Answers):
    @pytest.fixture
    def place(self, engine: Any) -> Any:
        return engine


def test_the_contract_is_kept(engine: Any, vllm: Any, tools: Any, record_property: Any, tmp_path: Path) -> None:
    options = vllm.options(mode="offline", log=str(tmp_path / "log"))
    part = tools.opened_elsewhere(engine)
    tools.contract(record_property, "offline", part=part, target=vllm.weights, options=options)


def test_a_message_that_is_gone_on_with_keeps_its_last_space(engine: Any) -> None:
    (whole,) = engine.ask(asked(Request(QUESTION, GREEDY)))
    begun = whole.text[: whole.text.index("=") + 1]
    goes_on = Request(
        (*QUESTION, Message("assistant", begun)), Sampling(max_tokens=96, temperature=0.0, token_ids=True)
    )
    plain = Request(QUESTION, Sampling(max_tokens=1, temperature=0.0, token_ids=True))
    rest, prompt = engine.ask(asked(goes_on, plain))
    assert begun + rest.text == whole.text
    assert rest.prompt_ids[: len(prompt.prompt_ids)] == prompt.prompt_ids


def test_log_probabilities_of_a_prompt_are_told_streamed_or_not(engine: Any) -> None:
    pieces: list[str] = []
    request = Request(QUESTION, Sampling(max_tokens=96, temperature=0.0, prompt_logprobs=2))
    answer = engine.ask(lambda client: client.complete(request, pieces.append))
    (whole,) = engine.ask(asked(request))
    assert len(pieces) > 1
    assert answer.prompt_logprobs == whole.prompt_logprobs


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


def test_the_engine_tells_its_versions(engine: Any, vllm: Any) -> None:
    told = engine.ask(lambda client: client.versions())
    server = vllm.ask(lambda client: client.versions())
    assert told.keys() == {"vllm", "torch"} and told["vllm"] == server["vllm"]


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
            engine.ask(asked(request))
        assert "pens" not in str(caught.value)
        errors.append(caught.type)
    assert errors == [ContextOverflow, RequestRefused, RequestRefused, RequestRefused]


def test_an_engine_that_is_killed_ends_the_run_with_its_last_words(engine: Any, tools: Any, log: Path) -> None:
    """The last of the module: there is no engine after it."""

    async def work(client: Client) -> None:
        wild = Request("<bos>", Sampling(max_tokens=490, temperature=2.0))
        answers = asyncio.gather(*(client.complete(wild) for _ in range(16)))  # one may be short
        await asyncio.sleep(0.05)
        for pid in tools.writers(log):
            os.kill(pid, signal.SIGKILL)
        await answers

    with pytest.raises(BackendUnusable, match=r"vLLM was killed.*; its output is in .*engine.log, which ends:\n"):
        engine.ask(work)
    with pytest.raises(BackendUnusable):
        engine.ask(asked(Request(QUESTION, GREEDY)))
    assert not engine.run(engine.client.ready())
