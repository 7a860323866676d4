"""`skillforge eval` on a server that misbehaves in mid-run: no sample is lost, none is doubled, and the run says why."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from evaluation import PROBLEMS, Eval
from in_thread import InThread

pytest.importorskip("skillforge_forge_arith")
pytest.importorskip("skillforge_tiny")

KEY = "sk-very-secret-0123456789"
Fate = Callable[[int, int], Any]
"""(number of this request, how often its prompt was asked before) -> what happens to it; None: it is answered."""


class FaultyServer(InThread):
    """Answers each prompt with itself, unless its fate is another: an int is a status, a str is sent as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.fate: Fate = lambda number, asked: None
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.times: list[float] = []
        self.tells_models = False
        self._key = KEY

    def lock(self, key: str) -> int:
        """Let in `key` alone from now on; the status of who comes with another."""
        self._key = key
        return 401

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers["Authorization"] != f"Bearer {self._key}" and (
            self.tells_models or request.method == "POST"
        ):
            return web.json_response({"error": {"message": f"not for {KEY} (/home/ann/server.py)"}}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if not self.tells_models:
            raise web.HTTPNotFound
        return web.json_response({"data": [{"id": "m"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        prompt = (await request.json())["messages"][-1]["content"]
        fate = self.fate(sum(self.asked.values()), self.asked[prompt])
        self.asked[prompt] += 1
        self.times.append(time.monotonic())
        message = {"error": {"message": f"not for {KEY}: {prompt} (/home/ann/server.py)"}}
        if fate == "hang":
            await asyncio.sleep(30)
        if fate == "cut":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"choices": [{"message":')
            assert request.transport
            request.transport.abort()
            return response
        if isinstance(fate, int):
            return web.json_response(message, status=fate, headers={"Retry-After": "0.3"} if fate == 429 else {})
        if isinstance(fate, str):
            return web.Response(text=fate, content_type="application/json")
        self.answered[prompt] += 1
        choice = {"message": {"role": "assistant", "content": f"{prompt} #### 1"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.fixture
def evaluation(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Eval:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return Eval(server.url, tmp_path, "--concurrency", 4, "-o", "backend.timeout=2")


def check_whole(evaluation: Eval, server: FaultyServer) -> None:
    """Each problem has one sample, which is the answer to it, and none was answered twice."""
    samples = evaluation.samples()
    assert len({problem for problem, _, _ in samples}) == len(samples) == PROBLEMS
    assert sorted(text for _, _, text in samples) == sorted(f"{prompt} #### 1" for prompt in server.answered)
    assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("fault", ["{", '{"choices": []}', '{"error": {"message": "busy"}}', "cut", 500, 503])
def test_faults_that_pass(evaluation: Eval, server: FaultyServer, fault: Any) -> None:
    server.fate = lambda number, asked: fault if number % 3 == 0 and asked == 0 else None
    evaluation.finish()
    check_whole(evaluation, server)
    assert sum(server.asked.values()) > PROBLEMS + 5


def test_a_page_in_place_of_an_answer_ends_the_run_at_once(evaluation: Eval, server: FaultyServer) -> None:
    server.fate = lambda number, asked: "<!doctype html><title>Log in</title>"
    with evaluation.start() as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "/chat/completions answers with an HTML page, not JSON" in said
    assert "check --base-url" in said
    assert sum(server.asked.values()) <= 4  # those in flight: none is asked for again
    assert evaluation.errors() == evaluation.samples() == []


def test_a_page_in_mid_run_costs_no_sample(evaluation: Eval, server: FaultyServer) -> None:
    """As where a login behind a proxy has expired."""
    server.fate = lambda number, asked: "<html>" if number >= 10 else None
    with evaluation.start() as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "an HTML page" in said
    assert evaluation.errors() == []
    server.fate = lambda number, asked: None
    evaluation.finish()
    assert evaluation.errors() == []
    assert len(evaluation.samples()) == PROBLEMS


def test_slow_answers_are_given_up_and_asked_for_again(evaluation: Eval, server: FaultyServer) -> None:
    server.fate = lambda number, asked: "hang" if number in (3, 11) else None
    evaluation.finish()
    check_whole(evaluation, server)
    assert sum(server.asked.values()) == PROBLEMS + 2


def test_a_burst_of_429_is_waited_out_as_long_as_the_server_asks(evaluation: Eval, server: FaultyServer) -> None:
    server.fate = lambda number, asked: 429 if 8 <= number < 12 else None
    evaluation.finish()
    check_whole(evaluation, server)
    again = server.times[12:]  # those in the burst are asked again at least so much later
    assert sum(moment - server.times[8] >= 0.3 for moment in again) >= 4


@pytest.mark.parametrize("tells_models", [True, False])
def test_a_key_that_expires_in_mid_run_costs_no_sample(
    evaluation: Eval, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, tells_models: bool
) -> None:
    server.tells_models = tells_models
    server.fate = lambda number, asked: server.lock("sk-new") if number == 10 else None
    with evaluation.start() as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "does not let this key in (HTTP 401" in said
    assert "OPENAI_API_KEY" in said
    for secret in (KEY, "/home/ann", next(iter(server.asked))):
        assert secret not in said
    assert evaluation.errors() == []
    assert 5 <= len(evaluation.samples()) < PROBLEMS
    monkeypatch.setenv("OPENAI_API_KEY", "sk-new")
    evaluation.finish()
    assert evaluation.errors() == []
    check_whole(evaluation, server)
