"""Asking a model that judges or chooses: every question once, however often it comes up, its reply kept with the run."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from skillforge.errors import BackendUnusable, ContextOverflow, UsageError
from skillforge.options import identity
from skillforge.parts.backend import Backend, Client, Request
from skillforge.parts.grader import Question
from skillforge.pipeline.asked_model import AskedModel
from skillforge.rollout.context import complete_in_context
from skillforge.rollout.dispatch import Dispatcher, GaveUp
from skillforge.rollout.limiter import Limiter
from skillforge.runs.rows import RowLog, encoded, read_rows
from skillforge.server import starts_told

MAX_REPLY = 100_000
"""Characters that are kept of a reply, however much a server sends."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the model said to one question: a line of judge-cache.jsonl or voter-cache.jsonl.

    `key` stands for all that decides it.
    """

    key: str
    text: str
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class NoReply(Exception):
    """A question has no reply and gets none in this run; the message says why."""


class Asker:
    """Asks one model, with all replies in the file `path` known before. The model is opened when a question needs it.

    Of a run without replies the first question is sure to come: then the model is opened on entering, so that a wrong
    address is told before anything else is done.
    """

    def __init__(self, model: AskedModel, path: Path, tell: Callable[[str], None]) -> None:
        """`tell` tells the user where the model's server is started, lost and found again."""
        self._model = model
        self._tell: Callable[[str], None] = lambda text: tell(model.role.says(text))
        self._asked = (model.backend.id, identity(model.backend.options), model.target.model)
        self._path = path
        self._log: RowLog | None = None
        self._asking: dict[str, asyncio.Task[Reply]] = {}
        self._line: asyncio.Future[_Line] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._replied = False
        self._lost: str | None = None

    async def __aenter__(self) -> Self:
        self._known = {reply.key: reply for reply in read_rows(self._path, Reply)}
        if not self._known:
            try:
                await self._open_line()
            except BaseException:
                await self._close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def ask(self, question: Question, vote: int) -> Reply:
        """The reply to `question`; another `vote` is another reply.

        Raises NoReply where this question gets none, and SkillForgeError where none was ever answered.
        """
        key = self._key(question, vote)
        if key in self._known:
            return self._known[key]
        if key not in self._asking:
            task = self._asking[key] = asyncio.create_task(self._send(key, question, vote))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(self._asking[key])

    def _key(self, question: Question, vote: int) -> str:
        return hashlib.blake2b(encoded((self._asked, self._model.sampling, vote, question)), digest_size=16).hexdigest()

    async def _send(self, key: str, question: Question, vote: int) -> Reply:
        line, role = await self._open_line(), self._model.role
        request = Request(question, self._model.sampling, vote if line.seeded else None)
        async with line.gate:
            if self._lost is not None:
                raise NoReply(self._lost)
            try:
                completion = (await complete_in_context(line.dispatcher, request, None)).completion
            except (ContextOverflow, GaveUp) as error:
                raise NoReply(role.own_options(str(error))) from error
            except UsageError as error:
                raise role.told(error) from error
            except BackendUnusable as error:
                if not self._replied:
                    raise role.told(error) from error
                self._lost = role.own_options(error.what)
                raise NoReply(self._lost) from error
        self._replied = True
        reply = Reply(
            key=key,
            text=completion.text[:MAX_REPLY],
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
        )
        self._keep(reply)
        return reply

    def _keep(self, reply: Reply) -> None:
        """Remember `reply`; it is on disk at once, since it was paid for."""
        if self._log is None:
            self._log = RowLog(self._path)
        self._log.append(reply)
        self._log.flush()
        self._known[reply.key] = reply

    async def _open_line(self) -> _Line:
        if self._line is None:
            self._line = asyncio.get_running_loop().create_future()
            self._holding = asyncio.create_task(self._hold_line(self._line))
        return await asyncio.shield(self._line)

    async def _hold_line(self, opened: asyncio.Future[_Line]) -> None:
        """Open the model and close it again, in one task as a context manager may want it, whoever asks first."""
        backend: Backend = self._model.backend.part
        try:
            with self._model.role.errors(), starts_told(self._tell):
                async with backend.open(self._model.target, self._model.backend.options) as client:
                    await client.check()
                    opened.set_result(_Line(client, self._model, self._tell))
                    await self._closing.wait()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    async def _close(self) -> None:
        self._closing.set()
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        try:
            if self._holding is not None and self._line is not None:
                if not self._line.done():
                    self._holding.cancel()
                (fault,) = await asyncio.gather(self._holding, return_exceptions=True)
                if isinstance(fault, Exception):
                    raise fault
        finally:
            if self._log is not None:
                self._log.close()


class _Line:
    """An open connection to the model, which has what questions need."""

    def __init__(self, client: Client, model: AskedModel, tell: Callable[[str], None]) -> None:
        able = model.able(client)
        self.seeded = model.seeded and "seed" in able
        limiter = Limiter(model.concurrency or client.default_concurrency)
        self.dispatcher = Dispatcher(client, limiter, model.retries, model.patience, tell)
        self.gate = _Gate(limiter)


class _Gate:
    """Lets in as many at once as the limiter says."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._inside = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < self._limiter.limit)
            self._inside += 1

    async def __aexit__(self, *fault: object) -> None:
        self._inside -= 1
        async with self._changed:
            self._changed.notify(max(1, self._limiter.limit - self._inside))
