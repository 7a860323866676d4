"""Worker: the thread that holds the model, and what it does when the model fails."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, NamedTuple

from skillforge import BackendUnusable, RequestFailed, RequestRefused, SkillForgeError, Target
from skillforge.text import one_line
from skillforge_transformers.feed import Feed
from skillforge_transformers.row import Row, settle

if TYPE_CHECKING:
    from skillforge_transformers import TransformersOptions
    from skillforge_transformers.engine import Engine
    from skillforge_transformers.loading import Loaded


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
        self._feed = Feed(options.batch_size)
        self._fatal: BackendUnusable | None = None
        # A daemon, since a load that cannot be interrupted must not keep a stopped process alive.
        self._thread = threading.Thread(target=self._main, name="skillforge-transformers", daemon=True)

    def start(self) -> None:
        """Begin to load; `ready` tells when it is done."""
        self._thread.start()

    def submit(self, row: Row) -> None:
        """Queue a row. Called in the event loop."""
        if not self._feed.add(row):
            raise self._fatal or BackendUnusable(f"the model {self._target.model.location} was closed")

    def cancel(self, row: Row) -> None:
        """Nobody waits for `row` any more: it leaves the queue, or what runs within a token."""
        row.cancelled = True
        self._feed.remove(row)

    def stop(self) -> None:
        """End what runs within a token; `ended` tells when the thread is done."""
        self._feed.close()

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
            error = self._fatal or RequestFailed(f"the model {self._target.model.location} was closed")
            for row in self._feed.drain():
                row.resolve(error)
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
        from skillforge_transformers.engine import make_engine

        try:
            engine = make_engine(loaded, self._options)
            while rows := self._feed.first():
                failure = self._try(engine, rows)
                if failure is not None:
                    self._run_apart(engine, self._feed.running(), failure)
                self._feed.put_back(self._feed.running())
        except Exception as error:
            cause = f"the worker of the transformers backend failed ({type(error).__name__}: {one_line(str(error))})"
            self._end(BackendUnusable(cause, "report this, with the output of --debug"))

    def _run_apart(self, engine: Engine, rows: list[Row], failure: _Failure) -> None:
        """Run rows that failed together in smaller batches, so that it costs only the row that causes it."""
        size = max(1, len(rows) // 2) if failure.out_of_memory else 1
        if failure.out_of_memory:
            self._feed.shrink(size)
        for at in range(0, len(rows), size):
            some = [row for row in rows[at : at + size] if row.open]
            if not some or self._feed.closed:
                continue
            self._feed.run_alone(some)
            again = self._try(engine, some)
            if again is not None and len(some) == 1:
                some[0].resolve(again.error)
            elif again is not None:
                self._run_apart(engine, some, again)
        self._feed.run_alone(rows)

    def _try(self, engine: Engine, rows: list[Row]) -> _Failure | None:
        """Run rows once; what went wrong, if anything. No exception is kept: its frames hold the batch's memory."""
        from skillforge_transformers.engine import free_memory, is_fatal, is_out_of_memory

        try:
            engine.run(rows, self._feed)
            return None
        except Exception as error:
            out_of_memory, fatal = is_out_of_memory(error), is_fatal(error)
            text = f"{type(error).__name__}: {one_line(str(error))}"
        engine.forget()
        free_memory()
        if fatal:
            fix = "start again (the run resumes); CUDA_LAUNCH_BLOCKING=1 shows where it comes from"
            self._end(BackendUnusable(f"the GPU failed ({text})", fix))
        return _Failure(_explain(rows[0], out_of_memory, text), out_of_memory)

    def _end(self, error: BackendUnusable) -> None:
        """No request can succeed any more."""
        self._fatal = error
        self._feed.close()


def _explain(row: Row, out_of_memory: bool, text: str) -> RequestRefused:
    """What is said of a row that fails alone. Refused, not failed: the same row would fail again."""
    if not out_of_memory:
        return RequestRefused(f"generation failed ({text})")
    more = row.max_tokens - len(row.tokens)
    return RequestRefused(
        f"the request does not fit in memory even alone: {row.length} tokens and up to {more} more ({text})",
        "lower max_tokens, or use -o backend.dtype=bfloat16",
    )
