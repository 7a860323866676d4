"""Batches: requests gathered into files, and their answers found again, in this process or a later one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Container, Coroutine, Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec

from skillforge import BackendUnusable, RequestFailed, SkillForgeError
from skillforge.text import one_line
from skillforge_openai.address import Address
from skillforge_openai.batch_api import Batch, BatchApi, Gone
from skillforge_openai.batch_records import Record, Records
from skillforge_openai.discreet import discreet

MOST_REQUESTS = 50_000
MOST_BYTES = 200 * 10**6
"""What OpenAI takes in one file."""

QUIET_SECONDS = 1.0
"""A batch is submitted when so long no further request came."""

PAUSE_FIRST, PAUSE_GROWTH, PAUSE_MOST = 1.0, 1.5, 60.0
"""Seconds between two looks at a batch."""

_FRAME = 200
"""Bytes of a line beside its request, at most."""

log = logging.getLogger("skillforge.openai.batch")


class _Undone(BackendUnusable):
    """A batch failed as a whole, or was cancelled: the run stops, and submits it again when it is continued."""


class _Asked:
    """A request that waits for its answer."""

    def __init__(self, path: str, body: bytes) -> None:
        self.path = path
        self.body = body
        self.key = hashlib.sha256(b"%b\0%b" % (path.encode(), body)).hexdigest()[:32]
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class _Running:
    """A batch that was submitted, by this process or an earlier one."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.waiting: dict[str, asyncio.Future[bytes]] = {}
        self.answers: dict[str, bytes] = {}
        """Those that nobody has asked for yet, of a batch that has ended."""
        self.followed = False
        self.ended = False


class _Line(msgspec.Struct):
    custom_id: str


_decode_line = msgspec.json.Decoder(_Line).decode


class Batches:
    """Answers requests by batches.

    A request is known by the hash of its body and, among equal ones, by a number. Where R equal ones were submitted before
    and r are asked for now, the last r of them are taken: a process that ended has stored the first ones.
    """

    def __init__(self, api: BatchApi, records: Records, address: Address, patience: float) -> None:
        """A server that cannot be reached is asked on for `patience` seconds."""
        self._api = api
        self._records = records
        self._address = address
        self._patience = patience
        self._gathered: list[_Asked] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: list[_Running] = []
        self._free: defaultdict[str, list[tuple[str, _Running]]] = defaultdict(list)
        """Key -> ids that nobody waits for in this process, with their batches."""
        self._numbers: defaultdict[str, int] = defaultdict(int)
        """Key -> the next number for one more request that is equal."""
        for record in records.held():
            self._know(_Running(record))

    async def answer(self, path: str, body: bytes) -> bytes:
        """The line that answers a request. Raises RequestFailed, BackendUnusable."""
        asked = _Asked(path, body)
        if self._gathered and (len(self._gathered) == MOST_REQUESTS or self._size + len(body) + _FRAME > MOST_BYTES):
            self._submit_gathered()
        self._gathered.append(asked)
        self._size += len(body) + _FRAME
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._submit_gathered)
        return await asked.answer

    async def close(self, finished: bool) -> None:
        """Stop. The records of batches that have ended go too, where the work is `finished`; the others are left."""
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        left = [running.record.batch for running in self._running if running.followed and not running.ended]
        for running in self._running:
            if finished and running.ended:
                running.record.forget()
            else:
                running.record.release()
        if left:
            names = ", ".join(one_line(batch or "a batch", 60) for batch in left)
            log.warning(
                "the server goes on with %s; continue the run to collect the answers, or cancel it there", names
            )

    def _submit_gathered(self) -> None:
        asked = [each for each in self._gathered if not each.answer.done()]
        self._gathered, self._size = [], 0
        for path, same in groupby(sorted(asked, key=lambda each: each.path), key=lambda each: each.path):
            new = dict(self._numbered(list(same)))
            if new:
                self._start(self._submit(path, new))

    def _numbered(self, asked: list[_Asked]) -> Iterator[tuple[str, _Asked]]:
        """The ids of those of `asked` that have to be submitted; the others wait for what was."""
        equal: defaultdict[str, list[_Asked]] = defaultdict(list)
        for each in asked:
            equal[each.key].append(each)
        for key, group in equal.items():
            free = self._free[key]
            known = free[-len(group) :]
            del free[-len(group) :]
            for (id, running), each in zip(known, group, strict=False):
                self._wait(running, id, each)
            for each in group[len(known) :]:
                yield f"{key}-{self._numbers[key]}", each
                self._numbers[key] += 1

    def _wait(self, running: _Running, id: str, asked: _Asked) -> None:
        """Let `asked` have the answer `id` of a batch."""
        if id in running.answers:
            asked.answer.set_result(running.answers.pop(id))
            return
        running.waiting[id] = asked.answer
        if not running.followed:
            running.followed = True
            self._start(self._follow(running))

    async def _submit(self, path: str, new: dict[str, _Asked]) -> None:
        """Upload requests, and follow what comes of them."""
        answers = [each.answer for each in new.values()]
        try:
            input_file = await self._api.upload(b"\n".join(_lines(self._address.batch_prefix + path, new)))
            record = self._records.add(input_file, path, tuple(new))
            try:
                record.accept(await self._created(input_file, path))
            except SkillForgeError:
                record.forget()
                raise
        except OSError as error:
            what = f"the batch cannot be noted on disk ({error.strerror})"
            _fail(answers, BackendUnusable(what, "make room, or name another folder with -o backend.batch_dir=DIR"))
        except Exception as error:
            _fail(answers, error)
        else:
            running = _Running(record)
            running.waiting = {id: each.answer for id, each in new.items()}
            running.followed = True
            self._running.append(running)
            self._start(self._follow(running))

    async def _created(self, input_file: str, path: str) -> str:
        """The id of the new batch, which may be there though its answer was lost."""
        try:
            return await self._api.create(input_file, path)
        except RequestFailed:
            with contextlib.suppress(RequestFailed):
                if found := await self._api.find(input_file):
                    return found
            raise

    async def _follow(self, running: _Running) -> None:
        """Wait for the end of a batch, and hand out its answers."""
        try:
            batch = await self._ended(running.record)
            await self._hand_out(running, batch)
            running.ended = True
        except Exception as error:
            waiting, running.waiting, running.followed = running.waiting, {}, False
            if isinstance(error, Gone | _Undone):
                self._forget(running)
            else:  # asked for again, they wait for the same batch
                for id in waiting:
                    self._free[_key(id)].append((id, running))
            _fail(waiting.values(), error)

    async def _ended(self, record: Record) -> Batch:
        """The batch of `record` when it has ended. Raises RequestFailed where the server is silent for too long."""
        if record.batch is None:
            if (found := await self._api.find(record.submitted.input_file)) is None:
                raise Gone("the batch was never submitted")
            record.accept(found)
        assert record.batch is not None
        pause, answered = PAUSE_FIRST, time.monotonic()
        while True:
            try:
                if (batch := await self._api.look(record.batch)).ended:
                    return batch
                answered = time.monotonic()
            except Gone:
                raise
            except RequestFailed:
                if time.monotonic() - answered > self._patience:
                    raise
            await asyncio.sleep(pause)
            pause = min(PAUSE_MOST, pause * PAUSE_GROWTH)

    async def _hand_out(self, running: _Running, batch: Batch) -> None:
        """Answer all that wait. Raises _Undone for a batch that failed, or that somebody cancelled."""
        if batch.status == "failed":
            why = self._address.clean(discreet(batch.why))
            fix = "correct that, or wait for earlier batches to end, then continue the run"
            raise _Undone(f"the batch {batch.id} failed{': ' + why if why else ''}", fix)
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            async with contextlib.aclosing(self._api.lines(file)) as lines:
                async for line in lines:
                    with contextlib.suppress(msgspec.DecodeError):
                        running.answers[_decode_line(line).custom_id] = line
        for id in running.record.submitted.ids:  # in the order in which they were asked for
            if id in running.answers and (answer := running.waiting.pop(id, None)) and not answer.done():
                answer.set_result(running.answers.pop(id))
        if batch.status == "cancelled":
            raise _Undone(f"the batch {batch.id} was cancelled", "continue the run to submit the rest again")
        expired = batch.status == "expired"
        what = f"the batch {batch.id} " + ("expired before its end" if expired else "has no answer to this request")
        self._free_no_more(running, but=running.answers)
        _fail(running.waiting.values(), RequestFailed(what))
        running.waiting.clear()

    def _know(self, running: _Running) -> None:
        """A batch of an earlier process: its answers may be asked for again."""
        self._running.append(running)
        for id in running.record.submitted.ids:
            key = _key(id)
            self._free[key].append((id, running))
            self._numbers[key] = max(self._numbers[key], int(id.removeprefix(f"{key}-")) + 1)

    def _forget(self, running: _Running) -> None:
        running.record.forget()
        self._running.remove(running)
        self._free_no_more(running)

    def _free_no_more(self, running: _Running, but: Container[str] = ()) -> None:
        """Nothing is to be had of a batch any more, but the answers of these ids."""
        for key in {_key(id) for id in running.record.submitted.ids if id not in but}:
            self._free[key] = [(id, of) for id, of in self._free[key] if of is not running or id in but]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _key(id: str) -> str:
    return id.rpartition("-")[0]


def _lines(url: str, new: dict[str, _Asked]) -> Iterator[bytes]:
    for id, asked in new.items():
        body = msgspec.Raw(asked.body)
        yield msgspec.json.encode({"custom_id": id, "method": "POST", "url": url, "body": body})


def _fail(answers: Iterable[asyncio.Future[bytes]], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
