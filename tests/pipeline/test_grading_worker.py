"""Processes that end while much more work waits for them: all that they answered before counts."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from scripted_parts import Misdeed, Unruly, UnrulyOptions

from skillforge import Problem, Sample, Segment, Transcript
from skillforge.pipeline import grading_worker
from skillforge.pipeline.grading_pool import GradingPool
from skillforge.pipeline.grading_process import Judge
from skillforge.pipeline.ordered import in_order

COUNT = 3000
HARMFUL = (1500, 1501, 2500)
QUESTION = "x" * 2000
"""So long that not all that a process was given fits into what it has read."""


def sample(number: int) -> Sample:
    return Sample(
        benchmark="b",
        split="s",
        problem=Problem(id=f"p-{number}", question=QUESTION, expected_answer=str(number)),
        sample_index=0,
        transcript=Transcript((Segment("text", f"It is {number}"),)),
    )


@pytest.mark.parametrize("misdeed", ["exit", "segfault", "kill", "spin"])
def test_however_much_waits_for_a_process_its_end_costs_the_one_sample(
    misdeed: Misdeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    if misdeed == "spin":
        monkeypatch.setattr(grading_worker, "ANSWER_LIMIT", 0.5)
    judge = Judge(Unruly(), UnrulyOptions(misdeed=misdeed, on=tuple(f"p-{number}" for number in HARMFUL)), None)
    loop_faults: list[dict[str, object]] = []

    async def work() -> list[tuple[str, str, str | None]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_faults.append(context))
        async with (
            GradingPool(judge, 2) as pool,
            contextlib.aclosing(in_order(map(sample, range(COUNT)), pool.judge)) as judged,
        ):
            return [(each.problem.id, verdict.state, verdict.answer) async for each, verdict in judged]

    found = asyncio.run(asyncio.wait_for(work(), 60))
    assert found == [
        (f"p-{number}", "error", None) if number in HARMFUL else (f"p-{number}", "correct", str(number))
        for number in range(COUNT)
    ]
    assert not loop_faults


def test_a_fault_of_ours_ends_the_run_instead_of_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise IndexError("a bug of ours")

    monkeypatch.setattr(grading_worker.Worker, "_pass_on", faulty)

    async def work() -> None:
        async with GradingPool(Judge(Unruly(), UnrulyOptions(), None), 2) as pool:
            await pool.judge(sample(1))

    with pytest.raises(IndexError, match="a bug of ours"):
        asyncio.run(asyncio.wait_for(work(), 60))
