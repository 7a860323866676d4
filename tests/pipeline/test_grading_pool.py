"""Grading in processes of their own: what hostile text may cost, and what it may not."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted_parts import Misdeed, Number, Splitter, Unruly, UnrulyOptions

from skillforge import Problem, PromptStyle, Sample, Segment, Transcript, Verdict
from skillforge.errors import BrokenPlugin, SkillForgeError
from skillforge.pipeline import grading_pool, grading_worker
from skillforge.pipeline.grading_pool import GradingPool
from skillforge.pipeline.grading_process import Judge
from skillforge.pipeline.ordered import in_order

COUNT = 30


def sample(number: int, text: str | None = None, **facts: Any) -> Sample:
    """The answer to problem `number` is right, unless `text` is given."""
    return Sample(
        benchmark="b",
        split="s",
        problem=Problem(id=f"p-{number}", question="?", expected_answer=str(number)),
        sample_index=0,
        transcript=Transcript((Segment("text", f"It is {number}" if text is None else text),)),
        **facts,
    )


def judged(judge: Judge, samples: Sequence[Sample], size: int = 2) -> list[Verdict]:
    async def work() -> list[Verdict]:
        async with GradingPool(judge, size) as pool, contextlib.aclosing(in_order(samples, pool.judge)) as verdicts:
            found = [(sample.key, verdict) async for sample, verdict in verdicts]
            assert [key for key, _ in found] == [sample.key for sample in samples]
            return [verdict for _, verdict in found]

    return asyncio.run(work())


def in_pool(judge: Judge, work: Callable[[GradingPool], Awaitable[Any]], size: int = 2) -> Any:
    async def run() -> Any:
        async with GradingPool(judge, size) as pool:
            return await work(pool)

    return asyncio.run(run())


def unruly(**options: Any) -> Judge:
    return Judge(Unruly(), UnrulyOptions(**options), None)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ("exit", "ended the process with exit status 7"),
        ("sys.exit", "raised SystemExit: bye"),
        ("segfault", "killed the process (SIGSEGV)"),
        ("kill", "killed the process (SIGKILL)"),
        ("sleep", "did not end within 1 s"),
        ("spin", "did not end within 1 s"),
        ("allocate", "raised MemoryError"),
        ("raise", "raised ValueError: a bug in the grader"),
        ("no-verdict", "raised TypeError: it returned str, not a Verdict"),
        ("odd-state", "gave no valid answer: Invalid enum value 'maybe'"),
    ],
)
def test_a_fault_of_the_grader_costs_the_one_sample_that_it_was_on(
    misdeed: Misdeed, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if misdeed in ("sleep", "spin"):
        monkeypatch.setattr(grading_worker, "ANSWER_LIMIT", 1.0)
    verdicts = judged(unruly(misdeed=misdeed, on=("p-7", "p-8")), [sample(number) for number in range(COUNT)])
    states = [verdict.state for verdict in verdicts]
    assert [number for number, state in enumerate(states) if state != "correct"] == [7, 8]
    for verdict in verdicts[7:9]:
        assert verdict.state == "error" and verdict.reason is not None
        assert verdict.reason.startswith(f"the grader 'scripted-unruly' {reason}")


def test_a_grader_that_always_ends_its_process_costs_all_samples_and_not_the_run() -> None:
    verdicts = judged(
        unruly(misdeed="exit", on=tuple(f"p-{number}" for number in range(5))), list(map(sample, range(5)))
    )
    assert [verdict.state for verdict in verdicts] == ["error"] * 5


def test_text_that_no_file_can_hold_is_judged() -> None:
    (verdict,) = judged(unruly(), [sample(1, "\ud800 1")])
    assert verdict.state == "correct"
    (verdict,) = judged(unruly(misdeed="odd-text", on=("p-1",)), [sample(1)])
    assert (verdict.state, verdict.answer, verdict.reason) == ("wrong", "\ufffd", "\ufffd")


def test_a_sample_without_answer_needs_no_process() -> None:
    verdicts = judged(unruly(journal="/nowhere/journal"), [sample(1, state="error", error="HTTP 400")])
    assert verdicts == [Verdict(state="error", reason="HTTP 400")]


class Upper(PromptStyle):
    name = "upper"
    summary = "Reads what follows a colon"

    def read_answer(self, text: str) -> str | None:
        return text.partition(":")[2] or None


class Echo(Number):
    name = "echo"

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        return Verdict(state="correct", answer=answer)


def test_the_prompt_style_reads_the_answer_there_too() -> None:
    texts = ["it is: 5", "it is 5"]
    verdicts = judged(Judge(Echo(), None, Upper()), [sample(number, text) for number, text in enumerate(texts)])
    assert [verdict.answer for verdict in verdicts] == [" 5", None]

    async def explain(pool: GradingPool) -> Any:
        return await pool.explain(sample(0, texts[0])), await pool.explain(sample(0, texts[1]))

    read, plain = in_pool(Judge(Echo(), None, Upper()), explain)
    assert [(step.name, step.outcome, step.detail) for step in read] == [
        ("the prompt style 'upper' reads the answer", "found", " 5"),
        ("echo", "correct", ""),
    ]
    assert len(plain) == 1


def test_few_samples_take_one_process_and_many_slow_ones_all(tmp_path: Path) -> None:
    def processes() -> int:
        return len({line.split()[1] for line in journal.read_text().splitlines()})

    journal = tmp_path / "journal"
    judged(unruly(journal=str(journal)), [sample(number) for number in range(10)], size=3)
    assert processes() == 1
    journal.unlink()
    judged(unruly(journal=str(journal), together=3), [sample(number) for number in range(50)], size=3)
    assert processes() == 3


def test_what_waits_is_bounded_however_slow_the_first_is(tmp_path: Path) -> None:
    read = 0
    gate = tmp_path / "gate"

    def samples() -> Iterator[Sample]:
        nonlocal read
        for number in range(1, 100):
            read += 1
            if read == 20:
                gate.touch()  # until now there was no verdict
            yield sample(number)

    async def work(pool: GradingPool) -> int:
        done = 0
        async with contextlib.aclosing(in_order(samples(), pool.judge, window=20)) as verdicts:
            async for _ in verdicts:
                done += 1
                assert read - done <= 20
        return done

    assert in_pool(unruly(gate=str(gate)), work) == 99


def test_stopping_ends_the_processes_at_once(tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    async def work(pool: GradingPool) -> None:
        waiting = asyncio.ensure_future(pool.judge(sample(1)))
        while not journal.exists() or not journal.read_text():
            await asyncio.sleep(0.005)
        waiting.cancel()

    in_pool(unruly(misdeed="spin", on=("p-1",), journal=str(journal)), work)
    assert not is_alive(int(journal.read_text().split()[1]))


def test_what_is_asked_when_all_is_over_is_refused() -> None:
    async def work(pool: GradingPool) -> GradingPool:
        return pool

    pool = in_pool(unruly(), work)
    with pytest.raises(SkillForgeError, match="grading has ended"):
        asyncio.run(pool.group(["1", "2"]))


def test_answers_are_grouped_by_the_grader_or_else_by_their_text() -> None:
    assert list(in_pool(Judge(Number(), None, None), lambda pool: pool.group(["1", "2"]))) == [0, 1]
    assert list(in_pool(Judge(Splitter(), None, None), lambda pool: pool.group(["1", "2"]))) == [0, 1]


def test_a_grader_that_cannot_be_sent_is_named() -> None:
    class Local(Number):
        name = "local"

    with pytest.raises(BrokenPlugin, match="the grader 'local' cannot be sent to another process"):
        GradingPool(Judge(Local(), None, None))


class Fragile(Number):
    """Is whole here only."""

    name = "fragile"

    def __reduce__(self) -> Any:
        return _only_in, (os.getpid(),)


def _only_in(process: int) -> Fragile:
    if os.getpid() != process:
        raise ImportError("no such library here")
    return Fragile()


def test_a_grader_that_does_not_arrive_stops_the_run_with_the_cause() -> None:
    with pytest.raises(BrokenPlugin, match=r"'fragile' cannot work in a process of its own .*no such library here"):
        judged(Judge(Fragile(), None, None), [sample(number) for number in range(3)])


def test_where_no_more_processes_can_be_had_the_work_goes_on_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = 0
    real = grading_worker.Worker

    def scarce(judge: bytes) -> grading_worker.Worker:
        nonlocal started
        started += 1
        if started > 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(judge)

    gate = tmp_path / "gate"
    monkeypatch.setattr(grading_pool, "Worker", scarce)
    monkeypatch.setattr(grading_pool, "BEHIND_SECONDS", 0.0)

    async def work(pool: GradingPool) -> list[Verdict]:
        asked = [asyncio.ensure_future(pool.judge(sample(number))) for number in range(1, 5)]
        while started < 2:
            await asyncio.sleep(0.005)
        gate.touch()
        return await asyncio.gather(*asked)

    assert {verdict.state for verdict in in_pool(unruly(gate=str(gate)), work)} == {"correct"}


def test_no_process_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(judge: bytes) -> grading_worker.Worker:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(grading_pool, "Worker", none)
    with pytest.raises(BrokenPlugin, match="Resource temporarily unavailable"):
        judged(unruly(), [sample(1)])
