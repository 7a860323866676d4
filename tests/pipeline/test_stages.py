"""The stages called from Python: what a script or a plugin sees."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from skillforge import Problem, Sample, SkillForgeError, UsageError, Verdict, hookimpl
from skillforge.options import parse
from skillforge.pipeline.evaluate import evaluate, run_interruptibly
from skillforge.pipeline.judging import outcome_of
from skillforge.pipeline.observer import Silent
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.settings import EvalSettings, check_address, without_credentials
from skillforge.registry import Registry

pytestmark = pytest.mark.usefixtures("scripted")


def plan(registry: Registry | None = None, **settings: Any) -> Plan:
    values = {"benchmark": "scripted-sums", "model": "scripted-model", **settings}
    return Plan(parse(EvalSettings, values, "--"), registry or Registry())


class Watcher(Silent):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def started(self, title: str, total: int, already_done: int) -> None:
        self.calls.append((title, total, already_done))

    def sample(self, sample: Sample, verdict: Verdict, in_flight: int | None) -> None:
        self.calls.append((sample.problem.id, verdict.state in ("correct", "wrong"), in_flight))

    def note(self, text: str) -> None:
        self.calls.append(text)

    def finished(self) -> None:
        self.calls.append("finished")


def test_jobs_follow_the_problems_and_skip_what_is_stored() -> None:
    jobs = list(plan(repeats=3, seed=1, limit=3).jobs({"test-0": 0b101, "test-1": 0b111}))
    assert [(job.problem.id, job.sample_index) for job in jobs] == [
        ("test-0", 1),
        ("test-2", 0),
        ("test-2", 1),
        ("test-2", 2),
    ]
    assert len({job.seed for job in jobs}) == 4
    assert list(plan(limit=3).jobs({f"test-{number}": 1 for number in range(3)})) == []


def test_defaults_come_from_model_and_benchmark() -> None:
    found = plan()
    assert (found.prompt.part.name, found.grader.part.name, found.backend.part.name) == (
        "scripted-chat", "scripted-number", "scripted",
    )  # fmt: skip
    assert (found.sampling.max_tokens, found.sampling.temperature, found.split) == (77, 0.0, "test")
    assert plan(repeats=2).sampling.temperature == 0.7
    assert plan(max_tokens=5, prompt="scripted-raw", stop=["x"]).sampling.stop == ("x", "\n\n")


@pytest.mark.parametrize(
    "change",
    [
        {"split": "train"}, {"limit": 2}, {"shuffle": 1}, {"ids": ["test-1"]}, {"repeats": 2}, {"seed": 1}, {"stop": ["x"]},
        {"temperature": 0.5}, {"max_tokens": 5}, {"few_shots": 1}, {"prompt": "scripted-raw"},
        {"grader": "scripted-lenient"}, {"options": {"prompt": {"preamble": "x"}}}, {"options": {"grader": {"modulus": 2}}},
        {"options": {"benchmark": {"count": 3}}}, {"options": {"backend": {"style": "x"}}},
        {"model": "other", "backend": "scripted"},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_decides_results_is_part_of_the_identity(change: dict[str, Any]) -> None:
    assert plan(**change).identity() != plan().identity()


@pytest.mark.parametrize(
    "change",
    [
        {"concurrency": 3}, {"retries": 1}, {"base_url": "http://localhost:1/v1", "backend": "scripted"}, {"data_dir": "."},
        {"options": {"backend": {"latency": 1}}}, {"temperature": 0}, {"split": "test"}, {"grader": "scripted-number"},
        {"backend": "skillforge-scripted:scripted"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_change_results_is_not(change: dict[str, Any]) -> None:
    assert plan(**change).identity() == plan().identity()


def test_an_observer_is_told_how_it_goes() -> None:
    registry = Registry()
    watcher = Watcher()
    evaluate(plan(registry, limit=2, concurrency=1), Path("run"), registry, watcher)
    assert watcher.calls == [
        ("scripted-sums/test", 2, 0), ("test-0", True, 1), ("test-1", True, 1), "finished",
    ]  # fmt: skip
    evaluate(plan(registry, limit=2), Path("run"), registry, again := Watcher())
    assert again.calls == [("scripted-sums/test", 2, 2), "finished"]


def test_plugins_are_told_and_a_faulty_one_harms_nothing() -> None:
    told: list[str] = []
    listener = types.ModuleType("listener")

    @hookimpl
    def skillforge_run_started(run: Mapping[str, Any]) -> None:
        told.append(f"started {run['state']}")

    @hookimpl
    def skillforge_sample_finished(sample: Sample, verdict: Verdict) -> None:
        told.append(sample.problem.id)
        raise ValueError("a bug in the plugin")

    @hookimpl
    def skillforge_run_finished(run: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        told.append(f"finished {summary['samples']}")

    for hook in (skillforge_run_started, skillforge_sample_finished, skillforge_run_finished):
        setattr(listener, hook.__name__, hook)
    registry = Registry()
    registry.events.register(listener)
    watcher = Watcher()
    summary = evaluate(plan(registry, limit=3, concurrency=1), Path("run"), registry, watcher)
    assert summary.samples == 3 and told == ["started running", "test-0", "finished 3"]
    notes = [call for call in watcher.calls if isinstance(call, str) and "bug in the plugin" in call]
    assert len(notes) == 1 and "skillforge_sample_finished raised ValueError" in notes[0]


def test_a_plan_is_checked_before_anything_starts() -> None:
    for wrong in ({"benchmark": "nothing"}, {"split": "nowhere"}, {"few_shots": 5}, {"options": {"backend": {"x": 1}}}):
        with pytest.raises(UsageError):
            plan(**wrong)
    assert not Path("runs").exists()


def test_subsets_of_an_outcome_are_text_and_may_be_missing() -> None:
    problem = Problem(id="a", question="?", metadata={"level": 3, "other": [1]})
    sample = Sample(benchmark="b", split="s", problem=problem, sample_index=0, finish_reason="length")
    outcome = outcome_of(sample, Verdict(state="wrong"), ("level", "subject"))
    assert outcome.subsets == {"level": "3"} and outcome.truncated


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:secret@host:8000/v1", "http://host:8000/v1"),
        ("https://host/v1?key=secret#secret", "https://host/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        (None, None),
    ],
)
def test_addresses_are_stored_without_credentials(address: str | None, shown: str | None) -> None:
    assert without_credentials(address) == shown


@pytest.mark.parametrize(
    "address", ["", "host", "host:8000/v1", "http://", "http://host:port", "http://[bad", "u:secret@h"]
)
def test_what_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_address(address)
    assert "secret" not in str(caught.value)


def test_work_that_fails_or_ends_by_itself_is_not_interrupted() -> None:
    done: list[int] = []

    async def good() -> None:
        done.append(1)

    async def bad() -> None:
        raise SkillForgeError("broken")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    run_interruptibly(good)
    assert done == [1]
    with pytest.raises(SkillForgeError, match="broken"):
        run_interruptibly(bad)
    with pytest.raises(asyncio.CancelledError):
        run_interruptibly(cancelled)
