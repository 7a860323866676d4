"""Gathering: single questions that are asked together, as one request."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Settings = TypeVar("Settings", bound=Hashable)

_LULL_SECONDS = 0.005  # a batch that is not full goes when nothing more has come for so long


class _Waiting(NamedTuple, Generic[Settings, Question, Answer]):
    settings: Settings
    question: Question
    answer: asyncio.Future[Answer]


class Gatherer(Generic[Settings, Question, Answer]):
    """Gathers up to `size` questions of the same settings.

    `serve(settings, questions)` returns an answer, or the error, of each. What it raises is the error of all of them.
    With `in_turn` a batch waits until the one before is served, as for a server that serves one request at a time.
    """

    def __init__(
        self,
        size: int,
        serve: Callable[[Settings, list[Question]], Awaitable[Sequence[Answer | Exception]]],
        in_turn: bool = False,
    ) -> None:
        self._size = size
        self._serve = serve
        self._in_turn = in_turn
        self._waiting: list[_Waiting[Settings, Question, Answer]] = []
        self._worker: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def ask(self, settings: Settings, question: Question) -> Answer:
        """The answer to `question`. A question that is cancelled before its batch goes is not sent."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(settings, question, answer))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Give up what waits and what is under way."""
        at_work = {*self._sending, *([self._worker] if self._worker else [])}
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        for waiting in self._waiting:
            waiting.answer.cancel()

    async def _work(self) -> None:
        while await self._gather():
            sending = asyncio.create_task(self._send(self._take()))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
            if self._in_turn:
                await sending

    async def _gather(self) -> bool:
        """Wait until a batch should go; False where nobody waits any more."""
        seen = -1
        while seen < len(self._waiting) < self._size:
            seen = len(self._waiting)
            await asyncio.sleep(_LULL_SECONDS)
        self._waiting = [each for each in self._waiting if not each.answer.done()]
        return bool(self._waiting)

    def _take(self) -> list[_Waiting[Settings, Question, Answer]]:
        """The oldest question and those with its settings, out of the queue."""
        settings = self._waiting[0].settings
        batch = [each for each in self._waiting if each.settings == settings][: self._size]
        taken = {id(each) for each in batch}
        self._waiting = [each for each in self._waiting if id(each) not in taken]
        return batch

    async def _send(self, batch: list[_Waiting[Settings, Question, Answer]]) -> None:
        """Serve `batch`, until nobody waits for it any more."""
        serving: asyncio.Future[Any] = asyncio.ensure_future(self._answers(batch))
        everybody: asyncio.Future[Any] = asyncio.gather(*(each.answer for each in batch), return_exceptions=True)
        try:
            await asyncio.wait({serving, everybody}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
            everybody.cancel()
            await asyncio.wait({serving})

    async def _answers(self, batch: list[_Waiting[Settings, Question, Answer]]) -> None:
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._serve(batch[0].settings, [each.question for each in batch])
        except Exception as error:
            answers = [error for _ in batch]
        for each, answer in zip(batch, answers, strict=True):
            if each.answer.done():
                continue
            if isinstance(answer, Exception):
                each.answer.set_exception(copy.copy(answer))  # each is raised, and told, on its own
            else:
                each.answer.set_result(answer)
