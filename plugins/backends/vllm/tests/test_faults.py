"""A run against a real vLLM server that is left, whose streams break off, or that dies and comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from skillforge import Client

sys.path.append(str(Path(__file__).parents[4] / "tests" / "support"))
from eval_run import EvalRun, wait_for
from server_proxy import faulty_proxy

pytestmark = pytest.mark.xdist_group("vllm")

PROBLEMS = 300


def run_on(vllm: Any, folder: Path, *given: str) -> EvalRun:
    where = ("--model", "tiny", "--backend", "vllm", "--base-url", vllm.url, "--prompt", "chat")
    return EvalRun(folder, "--limit", str(PROBLEMS), *where, *given)


def test_a_run_that_is_interrupted_leaves_nothing_at_work_on_the_server(vllm: Any, tmp_path: Path) -> None:
    run = run_on(
        vllm, tmp_path / "run", *("--concurrency", "200", "--temperature", "2", "--max-tokens", "400"),
        *("-o", 'backend.extra_body={"ignore_eos": true}'),
    )  # fmt: skip
    with run.start() as process:
        wait_for(lambda: vllm.at_work() > 100, process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    wait_for(lambda: vllm.at_work() == 0, patience=20)


def test_streams_that_are_cut_change_nothing(vllm: Any, tmp_path: Path) -> None:
    """A run with a limit of time streams, so that a sample can end with what is written."""
    streaming = ("--limit", "60", "--prompt", "tiny-python", "-o", "rollout.wall_time=600", "--max-tokens", "48")
    calm = run_on(vllm, tmp_path / "calm", *streaming)
    assert calm.end().code == 0
    with faulty_proxy(
        vllm.url.removesuffix("/v1"), lambda number, before: "cut" if number % 3 == 1 and before < 2 else None
    ) as proxy:
        run = run_on(vllm._replace(url=f"{proxy.url}/v1"), tmp_path / "run", *streaming)
        ended = run.end()
    assert ended.code == 0, ended.err
    assert run.texts() == calm.texts()
    assert len(run.texts()) == len(run.rows()) == 60
    assert proxy.faults["cut"] > 20
    streams = [body for body in proxy.asked if json.loads(body).get("stream")]
    assert len(streams) == 60


def test_a_server_is_asked_about_its_tools_until_it_has_told(vllm: Any) -> None:
    async def work(client: Client) -> None:
        for _ in range(4):
            await client.check()

    with faulty_proxy(vllm.url.removesuffix("/v1"), lambda number, before: 401 if number < 2 else None) as proxy:
        vllm._replace(url=f"{proxy.url}/v1").ask(work)
    assert proxy.asked.total() == 3


def test_a_server_that_dies_and_comes_back_costs_no_sample(vllm: Any, tmp_path: Path) -> None:
    server = os.environ.get("SKILLFORGE_VLLM_SCRIPT")
    if server is None:
        pytest.skip("the server is not ours to kill (SKILLFORGE_VLLM_SCRIPT is not set): use `.ci/vllm run pytest ...`")
    run = run_on(vllm, tmp_path / "run", "--concurrency", "8", "--max-tokens", "48", "--retries", "30")
    with run.start() as process:
        wait_for(lambda: len(run.rows()) >= 20, process)
        subprocess.run([server, "kill"], check=True, stdin=subprocess.DEVNULL)
        with pytest.raises(OSError):  # it is really gone
            vllm.at_work()
        stored = len(run.rows())
        subprocess.run([server, "start"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert stored < len(run.texts()) == len(run.rows()) == PROBLEMS
