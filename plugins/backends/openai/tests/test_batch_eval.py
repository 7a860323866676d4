"""`skillforge eval` by batches, in a process of its own: killed, interrupted and continued."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batch_server import BatchServer, Running
from evaluation import PROBLEMS, Eval

pytest.importorskip("skillforge_forge_arith")
pytest.importorskip("skillforge_tiny")


@pytest.fixture
def running() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.fixture
def evaluation(running: Running, tmp_path: Path) -> Eval:
    how = ("--batch", "-o", "backend.batch_dir=batches", "--temperature", 1)
    return Eval(running.url, tmp_path, *how)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_eval_is_one_batch(evaluation: Eval, running: Running) -> None:
    evaluation.finish("--repeats", 2)
    samples = evaluation.samples()
    assert len({(problem, index) for problem, index, _ in samples}) == len(samples) == 2 * PROBLEMS
    assert (len(running.server.batches), running.server.answered) == (1, 2 * PROBLEMS)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_eval_that_is_stopped_while_its_batch_runs_finds_it_again(
    evaluation: Eval, running: Running, how: signal.Signals
) -> None:
    server = running.server
    server.looks_until_done = -1
    with evaluation.start("--repeats", 2) as process:
        wait_for(lambda: any(batch["looks"] for batch in server.batches.values()))
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the server goes on with batch_0; continue the run to collect the answers" in said
    server.looks_until_done = 0
    evaluation.finish("--repeats", 2)
    samples = evaluation.samples()
    assert len({(problem, index) for problem, index, _ in samples}) == len(samples) == 2 * PROBLEMS
    assert (len(server.batches), server.answered) == (1, 2 * PROBLEMS)


def test_an_eval_that_is_killed_while_it_stores_answers_asks_for_none_again(evaluation: Eval, running: Running) -> None:
    """The requests for one problem are equal: its samples have no seeds. None of the answers may be stored twice."""
    running.server.signs_answers = True
    with evaluation.start("--repeats", 40) as process:
        wait_for(lambda: bool(evaluation.samples()))
        process.kill()
        process.communicate()
    stored = evaluation.samples()
    evaluation.finish("--repeats", 40)
    samples = evaluation.samples()
    assert samples[: len(stored)] == stored
    assert len({text for _, _, text in samples}) == 40 * PROBLEMS
    assert len({(problem, index) for problem, index, _ in samples}) == len(samples) == 40 * PROBLEMS
    assert (len(running.server.batches), running.server.answered) == (1, 40 * PROBLEMS)


def test_an_expired_batch_costs_no_sample(evaluation: Eval, running: Running) -> None:
    server = running.server
    server.end, server.unanswered = "expired", 10

    def expire_once() -> None:
        wait_for(lambda: server.answered > 0)
        server.end = "completed"

    with evaluation.start() as process:
        expire_once()
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert (len(evaluation.samples()), server.answered) == (PROBLEMS, PROBLEMS)


def test_a_failed_batch_ends_the_run_with_what_the_server_says(evaluation: Eval, running: Running) -> None:
    server: BatchServer = running.server
    server.end = "failed"
    with evaluation.start() as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the batch batch_0 failed: Enqueued token limit reached, see …/x." in said
    server.end = "completed"
    evaluation.finish()
    assert len(evaluation.samples()) == PROBLEMS
