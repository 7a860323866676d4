"""Worker: the thread that holds the model. It takes what waits whenever the model is free, and generates it together."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from skillforge import BackendUnusable, RequestFailed, RequestRefused, SkillForgeError, Target
from skillforge.text import one_line
from skillforge_transformers.row import Row, settle

if TYPE_CHECKING:
    from skillforge_transformers import TransformersOptions
    from skillforge_transformers.engine import Engine
    from skillforge_transformers.loading import Loaded

_QUIET = 0.003  # seconds without a new request after which a batch that is not full starts
_PATIENCE = 0.03  # seconds for which it waits at most


class _Failure(NamedTuple):
    error: RequestRefused
    out_of_memory: bool


class Worker:
    """Loads the model in a daemon thread and serves rows there, so that the event loop is never held up."""

    def __init__(self, target: Target, options: TransformersOptions) -> None:
        self._target, self._options = target, options
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Loaded] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._waiting: list[Row] = []
        self._changed = threading.Condition()
        self._closing = False
        self._fatal: BackendUnusable | None = None
        self._limit = options.batch_size
        # A daemon, since a load that cannot be interrupted must not keep a stopped process alive.
        self._thread = threading.Thread(target=self._main, name="skillforge-transformers", daemon=True)

    def start(self) -> None:
        """Begin to load; `ready` tells when it is done."""
        self._thread.start()

    def submit(self, row: Row) -> None:
        """Queue a row. Called in the event loop."""
        with self._changed:
            if self._closing:
                raise self._fatal or BackendUnusable(f"the model {self._target.model.location} was closed")
            row.arrived = time.monotonic()
            self._waiting.append(row)
            self._changed.notify()

    def cancel(self, row: Row) -> None:
        """Nobody waits for `row` any more: it leaves the queue, or its batch within a token."""
        row.cancelled = True
        with self._changed:
            self._waiting = [other for other in self._waiting if other is not row]

    def stop(self) -> None:
        """End what runs within a token; `ended` tells when the thread is done."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    # All below runs in the thread.

    def _main(self) -> None:
        try:
            loaded = self._load()
            if loaded is not None:
                self._serve(loaded)
                del loaded

                from skillforge_transformers.engine import free_memory

                free_memory()
        finally:
            self._drop_all(self._fatal or RequestFailed(f"the model {self._target.model.location} was closed"))
            settle(self.ended, None)

    def _load(self) -> Loaded | None:
        try:
            from skillforge_transformers.loading import load

            loaded = load(self._target, self._options)
        except SkillForgeError as error:
            settle(self.ready, error)
            return None
        except Exception as error:
            name = self._target.model.location
            cause = f"cannot load {name} ({type(error).__name__}: {one_line(str(error))})"
            settle(self.ready, BackendUnusable(cause, "check the installation of torch and transformers"))
            return None
        settle(self.ready, loaded)
        return loaded

    def _serve(self, loaded: Loaded) -> None:
        from skillforge_transformers.engine import Engine

        engine = Engine(loaded)
        try:
            while batch := self._next_batch():
                self._run(engine, batch)
        except Exception as error:
            cause = f"the worker of the transformers backend failed ({type(error).__name__}: {one_line(str(error))})"
            self._end(BackendUnusable(cause, "report this, with the output of --debug"))

    def _next_batch(self) -> list[Row]:
        """The rows to run next: the oldest, and those nearest to it in length. Empty when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._gather()
            if self._closing or not self._waiting:
                return [] if self._closing else self._next_batch()
            oldest = min(self._waiting, key=lambda row: row.arrived)
            self._waiting.sort(key=lambda row: (abs(row.length - oldest.length), row.arrived))
            batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
            return batch

    def _gather(self) -> None:
        """Give requests that are just being made a moment to join."""
        deadline = time.monotonic() + _PATIENCE
        while len(self._waiting) < self._limit and not self._closing and time.monotonic() < deadline:
            before = len(self._waiting)
            self._changed.wait(_QUIET)
            if len(self._waiting) == before:
                return

    def _run(self, engine: Engine, rows: list[Row]) -> None:
        """Run a batch. A failure is met with smaller batches, so that it costs only the row that causes it."""
        failure = self._try(engine, rows)
        left = [row for row in rows if row.open]
        if self._closing:
            self._requeue(left)
        elif failure is None:
            self._requeue(left)
            self._limit = min(self._options.batch_size, self._limit + max(1, self._limit // 8))
        elif len(rows) == 1:
            for row in left:
                row.resolve(failure.error)
        else:
            size = len(rows) // 2 if failure.out_of_memory else 1
            if failure.out_of_memory:
                self._limit = min(self._limit, size)
            for at in range(0, len(left), size):
                self._run(engine, left[at : at + size])

    def _try(self, engine: Engine, rows: list[Row]) -> _Failure | None:
        """Run a batch once; what went wrong, if anything. No exception is kept: its frames hold the batch's memory."""
        from skillforge_transformers.engine import free_memory, is_fatal, is_out_of_memory

        try:
            engine.run(rows, lambda still: self._enough(still, len(rows)))
            return None
        except Exception as error:
            out_of_memory, fatal = is_out_of_memory(error), is_fatal(error)
            text = f"{type(error).__name__}: {one_line(str(error))}"
        free_memory()
        if fatal:
            fix = "start again (the run resumes); CUDA_LAUNCH_BLOCKING=1 shows where it comes from"
            self._end(BackendUnusable(f"the GPU failed ({text})", fix))
        return _Failure(_explain(rows[0], out_of_memory, text), out_of_memory)

    def _enough(self, still: int, size: int) -> bool:
        """Whether to break a batch off, so that the rows still open go on in another one.

        Reading those anew costs far less than steps in which most rows do nothing: so when half have ended and as many
        wait, and when three quarters have ended in any case, since a small batch takes shorter steps.
        """
        refill = still * 2 <= size and len(self._waiting) >= size - still
        return self._closing or still == 0 or refill or still * 4 <= size

    def _requeue(self, rows: list[Row]) -> None:
        with self._changed:
            for row in rows:
                row.arrived = time.monotonic()
                self._waiting.append(row)

    def _end(self, error: BackendUnusable) -> None:
        """No request can succeed any more."""
        self._fatal = error
        with self._changed:
            self._closing = True

    def _drop_all(self, error: SkillForgeError) -> None:
        with self._changed:
            self._closing = True
            rows, self._waiting = self._waiting, []
        for row in rows:
            row.resolve(error)


def _explain(row: Row, out_of_memory: bool, text: str) -> RequestRefused:
    """What is said of a row that fails alone. Refused, not failed: the same row would fail again."""
    if not out_of_memory:
        return RequestRefused(f"generation failed ({text})")
    more = row.max_tokens - len(row.tokens)
    return RequestRefused(
        f"the request does not fit in memory even alone: {row.length} tokens and up to {more} more ({text})",
        "lower max_tokens, or use -o backend.dtype=bfloat16",
    )
