"""A server that is started for the run: one for all of these tests, which the last one kills."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from vllm_answers import GREEDY, QUESTION

from skillforge import BackendUnusable, Request, Sampling
from skillforge_vllm import VllmBackend

pytestmark = pytest.mark.xdist_group("vllm")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm") / "server.log"


@pytest.fixture(scope="module")
def started(vllm: Any, background: Any, log: Path) -> Any:
    background.open(VllmBackend(), vllm.weights, vllm.options(log=str(log)))
    return background


def test_it_answers_as_a_server_that_ran_before(vllm: Any, started: Any, tools: Any, log: Path) -> None:
    async def work(client: Any) -> Any:
        await client.check()
        answer = await client.complete(Request(QUESTION, GREEDY))
        return await client.ready(), list(await client.models()), await client.context_length(), answer.text

    there = vllm.ask(work)
    assert started.ask(work) == there
    assert there[:3] == (True, ["tiny"], 512)
    assert "####" in there[3]
    assert tools.writers(log)


def test_tools_are_offered_to_a_server_with_a_parser_of_their_calls_only(vllm: Any, started: Any) -> None:
    async def work(client: Any) -> Any:
        await client.check()
        return client.capabilities()

    assert vllm.ask(work) - started.ask(work) == {"tools"}
    assert vllm.at_work() == 0


def test_one_that_dies_in_mid_run_ends_the_run_with_its_last_words(started: Any, tools: Any, log: Path) -> None:
    async def work(client: Any) -> None:
        wild = Request("<bos>", Sampling(max_tokens=490, temperature=2.0))
        answers = asyncio.gather(*(client.complete(wild) for _ in range(16)))  # one may be short
        await asyncio.sleep(0.05)
        for pid in tools.writers(log):
            os.kill(pid, signal.SIGKILL)
        try:
            await answers
        except BackendUnusable:
            raise
        except Exception:  # the connection was lost before the end of the process was known
            await asyncio.sleep(1)
            await client.complete(Request(QUESTION, GREEDY))

    with pytest.raises(BackendUnusable, match=r"the server was killed.*server.log, which ends:\n"):
        started.ask(work)
    assert not tools.writers(log)
