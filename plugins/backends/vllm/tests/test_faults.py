"""A run against a real vLLM server that is left, or dies and comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("vllm")

PROBLEMS = 300


def evaluate(vllm: Any, folder: Path, *given: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "skillforge", "eval", "--benchmark", "forge-arith", "--limit", str(PROBLEMS)),
            *("--model", "tiny", "--backend", "vllm", "--base-url", vllm.url, "--prompt", "chat"),
            *("--out", str(folder), *given),
        ],
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def samples(folder: Path) -> list[dict[str, Any]]:
    path = folder / "samples.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def wait_for(what: Any, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_run_that_is_interrupted_leaves_nothing_at_work_on_the_server(vllm: Any, tmp_path: Path) -> None:
    run = evaluate(
        vllm, tmp_path / "run", *("--concurrency", "200", "--temperature", "2", "--max-tokens", "400"),
        *("-o", 'backend.extra_body={"ignore_eos": true}'),
    )  # fmt: skip
    try:
        wait_for(lambda: vllm.at_work() > 100, run)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    finally:
        run.kill()
    until = time.monotonic() + 20
    while vllm.at_work() and time.monotonic() < until:
        time.sleep(0.05)
    assert vllm.at_work() == 0
    assert run.returncode == 130


def test_a_server_that_dies_and_comes_back_costs_no_sample(vllm: Any, tmp_path: Path) -> None:
    server = os.environ.get("SKILLFORGE_VLLM_SCRIPT")
    if server is None:
        pytest.skip("the server is not ours to kill (SKILLFORGE_VLLM_SCRIPT is not set): use `.ci/vllm run pytest ...`")
    folder = tmp_path / "run"
    run = evaluate(vllm, folder, "--concurrency", "8", "--max-tokens", "48", "--retries", "30")
    try:
        wait_for(lambda: len(samples(folder)) >= 20, run)
        subprocess.run([server, "kill"], check=True, stdin=subprocess.DEVNULL)
        with pytest.raises(OSError):  # it is really gone
            vllm.at_work()
        stored = len(samples(folder))
        subprocess.run([server, "start"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        output, _ = run.communicate(timeout=240)
    finally:
        run.kill()
    assert run.returncode == 0, output
    found = samples(folder)
    assert stored < PROBLEMS
    assert len(found) == len({sample["problem"]["id"] for sample in found}) == PROBLEMS
    assert all(sample.get("error") is None for sample in found)
