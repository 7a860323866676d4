"""The openai backend against a real server: `transformers serve` with the embedded model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillforge.pipeline.evaluate import evaluate
from skillforge.pipeline.observer import Silent
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.settings import EvalSettings
from skillforge.registry import default_registry
from skillforge.runs.directory import RunDirectory
from skillforge_tiny import WEIGHTS

START_LIMIT = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has the embedded model."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(WEIGHTS), "--host", "127.0.0.1"]
    variables = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--device", "cpu"], stdout=stream, stderr=stream, env=variables
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


def _texts(settings: EvalSettings, path: Path) -> dict[str, str]:
    registry = default_registry()
    evaluate(Plan(settings, registry), path, registry, Silent())
    return {sample.problem.id: sample.transcript.answer_text for sample in RunDirectory.open(path).samples()}


def test_a_real_server_says_what_the_local_model_says(server: str, tmp_path: Path) -> None:
    asked = EvalSettings(benchmark="forge-arith", limit=12, max_tokens=96, prompt="tiny")
    served = EvalSettings(
        benchmark="forge-arith", limit=12, max_tokens=96, prompt="tiny", base_url=server, model=str(WEIGHTS)
    )
    texts = _texts(served, tmp_path / "served")
    assert len(texts) == 12
    assert all("####" in text for text in texts.values())
    assert texts == _texts(asked, tmp_path / "local")


def test_a_real_server_counts_tokens_and_tells_why_it_stopped(server: str, tmp_path: Path) -> None:
    settings = EvalSettings(
        benchmark="forge-arith", limit=3, max_tokens=4, prompt="tiny", base_url=server, model=str(WEIGHTS)
    )
    registry = default_registry()
    summary = evaluate(Plan(settings, registry), tmp_path / "cut", registry, Silent())
    assert (summary.truncated, summary.error) == (3, 0)
    assert summary.tokens is not None
    assert summary.tokens.completion_max == 4
