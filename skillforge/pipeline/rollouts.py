"""Rollouts: the model and, where its code is run, the sandbox, opened for as long as samples are made."""

from __future__ import annotations

import contextlib
import gc
import resource
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from skillforge.cache.client import caching
from skillforge.cache.origin import origin_of
from skillforge.cache.store import Store
from skillforge.parts.backend import Backend, Client
from skillforge.parts.code import ToolLoop
from skillforge.parts.sample import Sample
from skillforge.parts.sandbox import Sandbox, SandboxPool
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.settings import without_credentials
from skillforge.rollout.clock import Clock
from skillforge.rollout.code_runner import Tools
from skillforge.rollout.dispatch import Dispatcher
from skillforge.rollout.draft import Draft
from skillforge.rollout.job import Job
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.single_turn import single_turn
from skillforge.rollout.spread import Spread
from skillforge.rollout.tool_loop import tool_loop
from skillforge.server import starts_told

YOUNG_OBJECTS = 50_000
"""Objects after which cycles are looked for among the youngest. Python's own 700 takes a quarter of an evaluation's CPU."""


class Rollouts:
    """Makes the samples of a plan."""

    def __init__(
        self,
        plan: Plan,
        dispatcher: Dispatcher,
        limiter: Limiter,
        pool: SandboxPool | None,
        *,
        streams: bool,
        versions: Mapping[str, str],
    ) -> None:
        self.limiter = limiter
        """How many samples are to be made at once."""

        self.versions = versions
        """Name -> version of the software that generates."""

        self._plan = plan
        self._dispatcher = dispatcher
        self._pool = pool
        self._streams = streams

    async def make(self, job: Job, clock: Clock, loop: ToolLoop | None = None) -> Sample:
        """The finished sample of `job`, which ends with what it has when the time of `clock` is up.

        `loop` takes the place of the plan's own budgets and rules for code.
        """
        code = self._plan.code
        if code is None or self._pool is None:
            return await single_turn(job, self._plan.sampling, self._dispatcher, clock, self._draft(None))
        prompt, loop = self._plan.prompt, loop or code.loop
        tools = Tools(code.protocol, loop, prompt.part, prompt.options, self._pool)
        return await tool_loop(job, self._plan.sampling, self._dispatcher, tools, clock, self._draft(loop.wall_time))

    def _draft(self, wall_time: float | None) -> Draft | None:
        """Where a sample may be ended in mid-answer: what to write into. Else nobody listens, which is cheaper."""
        limited = wall_time is not None or self._plan.vote.seconds is not None
        return Draft() if limited and self._streams else None


@contextlib.asynccontextmanager
async def open_rollouts(plan: Plan, tell: Callable[[str], None]) -> AsyncIterator[Rollouts]:
    """Connect to the model of `plan`, or load it, and start the sandbox that its code needs.

    `tell` tells the user of servers that are started, lost and found again, and what the cache was good for.

    Raises BackendUnusable and SandboxUnusable before anything is asked.
    """
    _allow_many_files()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_rare_collections())
        cache = plan.settings.cache
        store = None if cache is None else stack.enter_context(contextlib.closing(Store(Path(cache))))
        pool = None
        if plan.code is not None:
            sandbox: Sandbox = plan.code.sandbox.part
            pool = await stack.enter_async_context(sandbox.open(plan.code.sandbox.options))
        client = await stack.enter_async_context(_open_client(plan, tell))
        await client.check()
        streams = "stream" in plan.able_target(client.capabilities())
        versions = await client.versions()
        if store is not None:
            client = await stack.enter_async_context(_open_cache(client, plan, store, tell))
        limiter = Limiter(plan.settings.concurrency or client.default_concurrency)
        dispatcher = Dispatcher(client, limiter, plan.settings.retries, plan.settings.patience, tell)
        yield Rollouts(plan, dispatcher, limiter, pool, streams=streams, versions=versions)


@contextlib.asynccontextmanager
async def _open_client(plan: Plan, tell: Callable[[str], None]) -> AsyncIterator[Client]:
    """The client of the model of `plan`, on however many servers."""
    backend: Backend = plan.backend.part
    async with contextlib.AsyncExitStack() as stack:
        opening = (backend.open(target, plan.backend.options) for target in plan.targets)
        with starts_told(tell):
            clients = [await stack.enter_async_context(opened) for opened in opening]
        if len(clients) == 1:
            yield clients[0]
        else:
            names = (f"the server at {without_credentials(target.base_url)}" for target in plan.targets)
            yield await stack.enter_async_context(Spread(zip(names, clients, strict=True), tell))


def _open_cache(
    client: Client, plan: Plan, store: Store, tell: Callable[[str], None]
) -> AbstractAsyncContextManager[Client]:
    """`client` with the completions that are in `store`."""
    backend = plan.backend
    find_origin = partial(origin_of, plan.targets, backend.id, backend.version, backend.options)
    return caching(client, store, find_origin, tell)


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for garbage in cycles less often: with thousands of requests in flight, it finds none most times."""
    usual, *older = gc.get_threshold()
    gc.set_threshold(usual and max(usual, YOUNG_OBJECTS), *older)
    try:
        yield
    finally:
        gc.set_threshold(usual, *older)


def _allow_many_files() -> None:
    """Raise the limit of open files as far as the system lets us: the usual 1024 is less than a server may take."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
