"""`skillforge eval` on real servers that misbehave in mid-run: what is stored equals what an undisturbed run stores.

A proxy between the run and the server makes the faults. Servers that die and come back are tested with their backends, but
for `transformers serve`, whose test is here.
"""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command_line import Ended
from eval_run import EvalRun, wait_for
from server_proxy import FaultyProxy, faulty_proxy
from transformers_server import TransformersServer

from skillforge_tiny import WEIGHTS

KEY = "sk-canary-0123456789"
ENVIRONMENT = {"OPENAI_API_KEY": KEY, "VLLM_API_KEY": KEY, "HF_HUB_OFFLINE": "1"}
TIMEOUT = 6.0
TRITON_MODEL = "ensemble_2025_stream"
FAULTS = ("cut", "garbled", "drop", 500, 503)
"""What passes when it is tried again; the rest comes on top of them."""


class Real(NamedTuple):
    """A real server, and what a run on it needs."""

    root: str
    path: str
    settings: tuple[object, ...]
    problems: int = 60


def of_transformers(request: pytest.FixtureRequest) -> Real:
    server = request.getfixturevalue("transformers")
    return Real(server.root, "/v1", ("--model", WEIGHTS, "--prompt", "tiny"), problems=30)


def of_vllm(request: pytest.FixtureRequest) -> Real:
    root = address("SKILLFORGE_VLLM_URL", "VLLM").removesuffix("/v1")
    return Real(root, "/v1", ("--backend", "vllm", "--model", "tiny", "--prompt", "tiny"))


def of_triton(request: pytest.FixtureRequest) -> Real:
    root = address("SKILLFORGE_TRITON_HTTP_URL", "TRITON")
    model = ("-o", f"backend.model_name={TRITON_MODEL}", "--prompt", "chat", "-o", "prompt.format=text")
    return Real(root, "", ("--backend", "trtllm", "--model", "tiny", *model))


def address(variable: str, server: str) -> str:
    """Where `.ci/vllm` or `.ci/triton` has told that its server is."""
    if url := os.environ.get(variable):
        return url
    reason = f"{variable} is not set: use `.ci/{server.lower()} run pytest ...`"
    if os.environ.get(f"SKILLFORGE_REQUIRE_{server}"):
        pytest.fail(f"SKILLFORGE_REQUIRE_{server} is set, but {reason}", pytrace=False)
    return pytest.skip(reason)


MAKERS = {"transformers": of_transformers, "vllm": of_vllm, "triton": of_triton}


def each(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names]


@pytest.fixture(params=each(*MAKERS))
def real(request: pytest.FixtureRequest) -> Real:
    return MAKERS[request.param](request)


@pytest.fixture
def proxy(real: Real) -> Iterator[FaultyProxy]:
    with faulty_proxy(real.root) as proxy:
        yield proxy


def run_on(real: Real, url: str, folder: Path) -> EvalRun:
    """A run of `real` through `url`."""
    return EvalRun(
        folder, "--limit", real.problems, *real.settings, "--base-url", url + real.path, "--max-tokens", 48,
        "--concurrency", 6, "--patience", 60, "-o", f"backend.timeout={TIMEOUT}", env=ENVIRONMENT,
    )  # fmt: skip


def told(run: EvalRun, ended: Ended) -> str:
    """What people see of the run, and what is passed on when they ask for help."""
    files = [run.folder / name for name in ("run.json", "report.md", "summary.json")]
    errors = [row.get("error") or "" for row in run.rows()]
    return "\n".join([ended.out, ended.err, *(file.read_text() for file in files if file.exists()), *errors])


def check_discreet(run: EvalRun, ended: Ended) -> None:
    """Neither the key, nor what was asked, nor a path of the server's is told."""
    shown = told(run, ended)
    questions = [row["problem"]["question"][:40] for row in run.rows()]
    assert not [secret for secret in (KEY, "/srv/models", *questions) if secret in shown]


def test_faults_that_pass_change_nothing(real: Real, proxy: FaultyProxy, tmp_path: Path) -> None:
    calm, run = run_on(real, proxy.url, tmp_path / "calm"), run_on(real, proxy.url, tmp_path / "run")
    assert calm.end().code == 0

    def fate(number: int, before: int) -> str | int | None:
        number -= asked
        if number in (5, 6):
            return "hang"
        if 12 <= number < 18:
            return 429
        return next(faults) if number % 3 == 0 and before < 2 else None

    asked, faults, proxy.fate = proxy.asked.total(), cycle(FAULTS), fate
    ended = run.end()
    assert ended.code == 0, ended.err
    assert set(proxy.faults) == {*FAULTS, "hang", 429}
    assert run.texts() == calm.texts()
    assert len(run.rows()) == real.problems
    check_discreet(run, ended)


def test_a_key_that_expires_in_mid_run_loses_nothing(real: Real, proxy: FaultyProxy, tmp_path: Path) -> None:
    run = run_on(real, proxy.url, tmp_path / "run")
    proxy.fate = lambda number, before: 401 if number >= 20 else None
    ended = run.end()
    assert ended.code == 1
    assert "401" in ended.err
    stored = [row["problem"]["question"].encode() for row in run.rows() if row.get("state") != "error"]
    assert 5 < len(stored) < real.problems
    check_discreet(run, ended)
    before, proxy.fate = proxy.asked.copy(), lambda number, before: None
    ended = run.end("--retry-errors")
    assert ended.code == 0, ended.err
    assert len(run.texts()) == real.problems
    asked = proxy.asked - before
    assert asked.total() >= real.problems - len(stored)
    assert not [body for body in asked if any(question in body for question in stored)]


def test_an_answer_longer_than_the_context_is_asked_for_as_long_as_there_is_room(real: Real, tmp_path: Path) -> None:
    run = run_on(real, real.root, tmp_path / "run")
    ended = run.end("--limit", 6, "--max-tokens", 5000)
    assert ended.code == 0, ended.err
    assert len(run.texts()) == len(run.rows()) == 6


@pytest.mark.parametrize("real", each("vllm", "triton"), indirect=True)  # transformers serve answers those too
def test_prompts_longer_than_the_context_are_errors_that_do_not_repeat_them(real: Real, tmp_path: Path) -> None:
    run = run_on(real, real.root, tmp_path / "run")
    ended = run.end("--limit", 6, "-o", "prompt.instruction=" + "canary pens " * 400 + "{question}", "--prompt", "chat")
    assert ended.code == 3, ended.err
    errors = [row["error"] for row in run.rows()]
    assert len(errors) == 6
    assert all("shorten the prompt" in error for error in errors)
    assert "canary pens" not in "\n".join([ended.out, ended.err, *errors])


@pytest.mark.xdist_group("triton")
def test_a_run_that_is_interrupted_leaves_nothing_at_work_on_triton(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """As for vLLM, where its backend is tested. Through gRPC: over HTTP, Triton works on."""
    real = of_triton(request)
    metrics = address("SKILLFORGE_TRITON_METRICS_URL", "TRITON")

    def counted(metric: str) -> float:
        with urllib.request.urlopen(metrics) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f'{metric}{{model="{TRITON_MODEL}"'))

    cancelled = counted("cancelled_requests")
    run = run_on(real, address("SKILLFORGE_TRITON_URL", "TRITON"), tmp_path / "run")
    with run.start("--temperature", 5, "--max-tokens", 400, "--concurrency", 40, "--repeats", 4) as process:
        wait_for(lambda: len(run.rows()) > 0, process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    wait_for(lambda: counted("cancelled_requests") > cancelled)
    wait_for(lambda: counted("nv_inference_pending_request_count") == 0)


@pytest.mark.xdist_group("transformers")
def test_transformers_serve_that_dies_and_comes_back_costs_no_sample(
    transformers: TransformersServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = run_on(of_transformers(request), transformers.root, tmp_path / "run")
    with run.start() as process:
        wait_for(lambda: len(run.rows()) >= 5, process)
        transformers.kill()
        stored = len(run.rows())
        transformers.start()
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert stored < len(run.texts()) == len(run.rows()) == 30
