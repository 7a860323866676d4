"""A real server that refuses, is left, is flooded, whose streams break off, or that dies and comes back."""

from __future__ import annotations

import asyncio
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

sys.path.append(str(Path(__file__).parents[4] / "tests" / "support"))
from cutting_proxy import cutting_proxy
from eval_run import EvalRun, wait_for

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
    with pytest.raises(
        Exception, match=r"too long for the model's context: .* Prompt length \(\d+\) exceeds maximum"
    ) as caught:
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
        while await asyncio.to_thread(triton.begun, model) < begun + 5:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)

    begun, before = triton.begun(model), triton.cancelled(model)
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
    run = _run_on(triton.grpc, tmp_path / "run")
    with run.start() as process:
        wait_for(lambda: len(run.rows()) >= 40, process)
        subprocess.run([server, "kill"], check=True, stdin=subprocess.DEVNULL)
        stored = len(run.rows())
        subprocess.run([server, "start"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert stored < len(run.texts()) == len(run.rows()) == PROBLEMS


def test_streams_that_are_cut_change_nothing(triton: Any, tmp_path: Path) -> None:
    """A run with a limit of time streams, so that a sample can end with what is written. A cut ends all that are open."""
    streaming = ("--limit", 60, "-o", "prompt.python=text", "-o", "rollout.wall_time=600")
    calm = _run_on(triton.grpc, tmp_path / "calm")
    assert calm.end(*streaming).code == 0
    with cutting_proxy(triton.grpc.removeprefix("grpc://"), after=20_000, times=5) as proxy:
        run = _run_on(f"grpc://{proxy.address}", tmp_path / "run")
        ended = run.end(*streaming)
    assert ended.code == 0, ended.err
    assert run.texts() == calm.texts()
    assert len(run.texts()) == len(run.rows()) == 60
    assert proxy.cuts == 5
    assert any(row["attempts"] > 1 for row in run.rows())


def _run_on(url: str, folder: Path) -> EvalRun:
    return EvalRun(
        folder, "--limit", PROBLEMS, "--model", "tiny", "--backend", "trtllm", "--base-url", url, "--prompt", "chat",
        *("-o", "prompt.format=text", "-o", "backend.model_name=ensemble_2025_stream"),
        *("--max-tokens", 48, "--concurrency", 16),
    )  # fmt: skip
