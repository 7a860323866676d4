"""The repository's mock server, which the benches and the contract test rely on."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from skillforge import Client, Completion, Message, ModelRef, Request, RequestFailed, Sampling, Target
from skillforge_openai import OpenAIBackend, OpenAIOptions

PATH = Path(__file__).parents[4] / "bench" / "mock_server.py"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason="is part of the repository, not of the package")


@pytest.fixture(scope="module")
def mock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("skillforge_bench_mock_server", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def question(text: str, seed: int | None = None) -> Request:
    return Request((Message("system", "Think."), Message("user", text)), Sampling(), seed)


def ask_all(mock: ModuleType, requests: list[Request], **settings: Any) -> tuple[list[Any], Any]:
    """The outcomes of `requests`, all sent at once, and the server's counts."""

    async def go() -> tuple[list[Any], Any]:
        server = mock.MockServer(mock.Settings(**settings))
        async with await server.start() as listening:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            async with OpenAIBackend().open(Target(ModelRef("mock", "mock"), url), OpenAIOptions()) as client:
                return await gather(client, requests), server.stats

    return asyncio.run(go())


async def gather(client: Client, requests: list[Request]) -> list[Any]:
    return await asyncio.gather(*(client.complete(request) for request in requests), return_exceptions=True)


def test_the_same_request_gets_the_same_answer(mock: ModuleType) -> None:
    (first, again, other, third), _ = ask_all(
        mock, [question("a", 1), question("a", 1), question("a", 2), question("b", 1)]
    )
    assert first == again
    assert len({first.text, other.text, third.text}) == 3
    assert 80 < len(first.text.split()) < 120
    assert first.text.rpartition("\n#### ")[2].isdigit()
    assert first.completion_tokens > 80


def test_faults_come_in_the_given_shares(mock: ModuleType) -> None:
    requests = [question(str(number)) for number in range(400)]
    outcomes, stats = ask_all(mock, requests, rate_429=0.2, rate_drop=0.1, retry_after=2.5, seed=3)
    throttled = [each for each in outcomes if isinstance(each, RequestFailed) and each.throttled]
    dropped = [each for each in outcomes if isinstance(each, RequestFailed) and each.connection]
    good = [each for each in outcomes if isinstance(each, Completion)]
    assert len(throttled) + len(dropped) + len(good) == 400
    assert (stats["429"], stats["drops"], stats["200"]) == (len(throttled), len(dropped), len(good))
    assert 40 < len(throttled) < 120
    assert 15 < len(dropped) < 70
    assert {each.retry_after for each in throttled} == {2.5}


def test_more_than_the_allowed_concurrency_is_throttled(mock: ModuleType) -> None:
    outcomes, stats = ask_all(mock, [question("a")] * 20, latency=0.3, max_concurrency=5)
    assert sum(isinstance(each, Completion) for each in outcomes) == stats["peak_in_flight"] == 5


def test_answers_and_states_on_demand(mock: ModuleType) -> None:
    requests = [question("What is 2 + 2?"), question("Solve: What is 2 + 2?\nThink."), question("bad one")]
    (exact, within, refused), _ = ask_all(
        mock, requests, answers={"What is 2 + 2?": "#### 4"}, status_for=(("bad", 400),)
    )
    assert (exact.text, within.text) == ("#### 4", "#### 4")
    assert "told to answer 400" in str(refused)
