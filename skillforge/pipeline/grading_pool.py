"""A pool of grading processes: many samples at once, and a process that dies or hangs costs the one sample it was on."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from skillforge.errors import BrokenPlugin, SkillForgeError
from skillforge.parts.grader import Grader, Step, Verdict
from skillforge.parts.sample import Sample
from skillforge.pipeline.grading_process import EXPLAIN, GROUP, JUDGE, Judge
from skillforge.pipeline.grading_worker import PAUSE, Question, Worker
from skillforge.text import one_line

BEHIND_SECONDS = 0.1
"""So long samples must wait before more processes are started: about as long as a start takes."""

_VERDICT = msgspec.json.Decoder(Verdict)
_STEPS = msgspec.json.Decoder(tuple[Step, ...])
_NUMBERS = msgspec.json.Decoder(list[int])


class GradingPool:
    """Judges in at most `size` processes (default: one for each usable CPU core), which start as they are needed."""

    def __init__(self, judge: Judge, size: int | None = None) -> None:
        self._grader = judge.grader
        self._pickled = _pickled(judge)
        self._size = size or _usable_cores()
        self._waiting: deque[Question] = deque()
        self._workers: list[Worker] = []
        self._overseers: set[asyncio.Task[None]] = set()
        self._growth: asyncio.TimerHandle | None = None
        self._planned = False
        self._fault: Exception | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up(SkillForgeError("grading has ended"))
        for task in self._overseers:
            task.cancel()
        await asyncio.gather(*self._overseers, return_exceptions=True)
        for worker in self._workers:  # of one whose overseer had not begun
            worker.close()

    # What is asked --------------------------------------------------------------------------------------------------

    def judge(self, sample: Sample) -> Awaitable[Verdict]:
        """The verdict on `sample`; state `error` where there is no answer, and where the grader fails on it."""
        if sample.state == "error":
            known: asyncio.Future[Verdict] = self._loop.create_future()
            known.set_result(Verdict(state="error", reason=sample.error))
            return known
        return self._ask(JUDGE, sample, _VERDICT, lambda fault: Verdict(state="error", reason=fault), PAUSE)

    def explain(self, sample: Sample) -> Awaitable[tuple[Step, ...]]:
        """The stages that the grader goes through with `sample`."""
        return self._ask(EXPLAIN, sample, _STEPS, lambda fault: (Step(self._grader.name, "error", fault),))

    async def group(self, answers: Sequence[str]) -> Sequence[int]:
        """The grader's classes of equal answers; by their text where it fails on them."""
        numbers: list[int] = await self._ask(GROUP, answers, _NUMBERS, lambda fault: [])
        return numbers if len(numbers) == len(answers) else Grader.group(self._grader, answers, None)

    def _ask(
        self,
        method: bytes,
        argument: Any,
        decoder: msgspec.json.Decoder[Any],
        failed: Callable[[str], Any],
        pause: float = 0.0,
    ) -> asyncio.Future[Any]:
        if self._fault is not None:
            raise self._fault

        def failed_by(fault: str) -> Any:
            return failed(f"the grader '{self._grader.name}' {fault}")

        question = Question(method, argument, self._loop.create_future(), decoder, failed_by)
        self._waiting.append(question)
        self._plan(pause)
        return question.future

    # Who answers ----------------------------------------------------------------------------------------------------

    def _plan(self, pause: float = 0.0) -> None:
        """Hand out in `pause` seconds: what is asked until then goes out together."""
        if not self._planned:
            self._planned = True
            self._loop.call_later(pause, self._hand_out)

    def _hand_out(self) -> None:
        self._planned = False
        ready = [worker for worker in self._workers if worker.ready]
        while ready and self._waiting:
            freest = min(ready, key=lambda worker: len(worker.hand))
            if len(freest.hand) >= freest.ahead:
                break
            freest.take(self._waiting.popleft())
        for worker in ready:
            worker.send()
        if not self._waiting:
            if self._growth is not None:
                self._growth.cancel()
                self._growth = None
        elif not self._workers:
            self._employ()
        elif self._growth is None and len(ready) == len(self._workers) < self._size:
            self._growth = self._loop.call_later(BEHIND_SECONDS, self._grow)

    def _grow(self) -> None:
        """If samples still wait, as many processes more as there are."""
        self._growth = None
        if self._waiting:
            for _ in range(min(len(self._workers), self._size - len(self._workers))):
                self._employ()

    def _employ(self) -> None:
        try:
            worker = Worker(self._pickled)
        except OSError as error:
            self._not_started(f"could not be given one: {error.strerror}")
            return
        self._workers.append(worker)
        task = self._loop.create_task(self._oversee(worker))
        self._overseers.add(task)
        task.add_done_callback(self._overseers.discard)

    async def _oversee(self, worker: Worker) -> None:
        """The life of one process. What it was on when it ended has failed; what it had besides goes to others."""
        try:
            how = await worker.work(self._plan)
        except Exception as error:  # a fault of ours: shown to whoever waits, who else would wait for ever
            self._give_up(error)
            return
        finally:
            self._workers.remove(worker)
            worker.close()
        if not worker.ready:
            self._not_started(how)
        elif worker.hand:
            worker.hand.popleft().fail(how)
            self._waiting.extendleft(reversed(worker.hand))
        self._plan()

    def _not_started(self, how: str) -> None:
        """Go on with the processes that there are, if there are any."""
        self._size = max(1, len(self._workers))
        if not self._workers:
            fault = f"the grader '{self._grader.name}' cannot work in a process of its own (it {how})"
            self._give_up(BrokenPlugin(fault, f"see what is wrong: skillforge plugins check {self._grader.name}"))

    def _give_up(self, fault: Exception) -> None:
        self._fault = fault
        for question in (*self._waiting, *(question for worker in self._workers for question in worker.hand)):
            question.give_up(fault)
        self._waiting.clear()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pickled(judge: Judge) -> bytes:
    for part in filter(None, (judge.grader, judge.style)):
        try:
            pickle.dumps(part)
        except Exception as error:
            raise BrokenPlugin(
                f"the {part.kind} '{part.name}' cannot be sent to another process ({one_line(str(error))})",
                "its author must define its class at the top level of a module, and keep nothing open in it",
            ) from error
    return pickle.dumps(judge)
