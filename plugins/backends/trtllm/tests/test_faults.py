"""A real server that refuses, is left, is flooded, dies and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Completion, ModelRef, Request, Sampling, Target, UsageError
from skillforge_trtllm import TrtllmBackend, TrtllmOptions
from skillforge_trtllm.address import Address
from skillforge_trtllm.grpc_link import open_grpc
from skillforge_trtllm.http_link import open_http
from skillforge_trtllm.links import LinkError

pytestmark = pytest.mark.xdist_group("triton")

SECRET = "<bos><user>Zoe has 2 secrets<assistant>"
PROBLEMS = 300
ENDLESS = Request("<bos>", Sampling(max_tokens=490, temperature=5.0), seed=7)


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_an_unknown_model_ends_the_run_and_known_ones_are_named(triton: Any, way: str) -> None:
    with pytest.raises(BackendUnusable, match="no model 'ensembel' that is ready; did you mean 'ensemble'"):
        triton.ask(lambda client: client.check(), "ensembel", way)


@pytest.mark.parametrize("url", ["grpc://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_server_that_is_not_there_ends_the_run(url: str) -> None:
    async def run() -> bool:
        async with TrtllmBackend().open(Target(ModelRef("m", "m"), url), TrtllmOptions()) as client:
            assert not await client.ready()
            await client.check()
            return True

    with pytest.raises(BackendUnusable, match="cannot reach a Triton server at"):
        asyncio.run(run())


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_ready_and_models_tell_what_is_served(triton: Any, way: str) -> None:
    async def work(client: Client) -> tuple[bool, Any]:
        return await client.ready(), await client.models()

    ready, models = triton.ask(work, "tensorrt_llm", way)
    assert ready
    assert {"ensemble", "tensorrt_llm", "ensemble_2023_stream"} <= set(models)


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_a_missing_input_is_told_by_the_server_as_such(triton: Any, way: str) -> None:
    async def run() -> None:
        opened = open_http if way == "http" else open_grpc
        scheme, _, host = (triton.http if way == "http" else triton.grpc).partition("://")
        async with opened(Address(scheme, host), 30.0) as link:
            await link.ask("ensemble", [], ["text_output"])

    with pytest.raises(LinkError) as caught:
        asyncio.run(run())
    assert caught.value.code == "INVALID_ARGUMENT"


def test_a_limit_that_the_model_wants_is_asked_for_before_anything_is_sent(triton: Any) -> None:
    with pytest.raises(UsageError, match="wants a limit of tokens; set --max-tokens"):
        triton.ask(lambda client: client.complete(Request("a", Sampling())), "ensemble")


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_messages_do_not_hold_the_prompt(triton: Any, way: str) -> None:
    request = Request(SECRET * 200, Sampling(max_tokens=4))
    with pytest.raises(Exception, match="exceeds maximum input length") as caught:
        triton.ask(lambda client: client.complete(request), "tensorrt_llm", way)
    assert "secrets" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "way"),
    [("ensemble", "grpc"), ("tensorrt_llm", "grpc"), ("ensemble_stream", "grpc"), ("ensemble_stream", "http")],
)
def test_cancelling_a_task_ends_its_request_on_the_server(triton: Any, model: str, way: str) -> None:
    async def work(client: Client) -> None:
        await client.check()
        tasks = [asyncio.create_task(client.complete(ENDLESS)) for _ in range(5)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)

    before = triton.cancelled(model)
    triton.ask(work, model, way)
    until = time.monotonic() + 20
    while triton.cancelled(model) < before + 5 and time.monotonic() < until:
        time.sleep(0.1)
    assert triton.cancelled(model) == before + 5


@pytest.mark.parametrize("way", ["grpc", "http"])
@pytest.mark.parametrize("model", ["ensemble_2025", "ensemble_2025_stream"])
def test_five_hundred_at_once_all_get_their_own_answer(triton: Any, model: str, way: str) -> None:
    requests = [Request("<bos><user>", Sampling(max_tokens=6, temperature=3.0), seed) for seed in range(500)]

    async def work(client: Client) -> list[Completion]:
        return list(await asyncio.gather(*map(client.complete, requests)))

    answers = triton.ask(work, model, way)
    assert len({answer.text for answer in answers}) > 400
    few = triton.ask(lambda client: asyncio.gather(*map(client.complete, requests[:5])), model, way)
    assert [answer.text for answer in few] == [answer.text for answer in answers[:5]]


def test_a_server_that_dies_and_comes_back_costs_no_sample(triton: Any, tmp_path: Path) -> None:
    server = os.environ.get("SKILLFORGE_TRITON_SCRIPT")
    if server is None:
        pytest.skip(
            "the server is not ours to kill (SKILLFORGE_TRITON_SCRIPT is not set): use `.ci/triton run pytest ...`"
        )
    folder = tmp_path / "run"
    evaluation = subprocess.Popen(
        [
            *(sys.executable, "-m", "skillforge", "eval", "--benchmark", "forge-arith", "--limit", str(PROBLEMS)),
            *("--model", "tiny", "--backend", "trtllm", "--base-url", triton.grpc, "--prompt", "chat"),
            *("-o", "prompt.format=text", "-o", "backend.model_name=ensemble_2025_stream", "--max-tokens", "48"),
            *("--concurrency", "16", "--out", str(folder)),
        ],
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_for_samples(folder, 40, evaluation)
        subprocess.run([server, "kill"], check=True, stdin=subprocess.DEVNULL)
        stored = len(_samples(folder))
        subprocess.run([server, "start"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        output, _ = evaluation.communicate(timeout=240)
    finally:
        evaluation.kill()
    assert evaluation.returncode == 0, output
    samples = _samples(folder)
    assert stored < PROBLEMS
    assert len(samples) == len({sample["problem"]["id"] for sample in samples}) == PROBLEMS
    assert all(sample.get("error") is None for sample in samples)


def _samples(folder: Path) -> list[dict[str, Any]]:
    path = folder / "samples.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _wait_for_samples(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while len(_samples(folder)) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
