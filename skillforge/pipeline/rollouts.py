"""Rollouts: the model and, where its code is run, the sandbox, opened for as long as samples are made."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import AsyncIterator

from skillforge.parts.backend import Backend
from skillforge.parts.code import ToolLoop
from skillforge.parts.sample import Sample
from skillforge.parts.sandbox import Sandbox, SandboxPool
from skillforge.pipeline.plan import Plan
from skillforge.rollout.clock import Clock
from skillforge.rollout.code_runner import Tools
from skillforge.rollout.dispatch import Dispatcher
from skillforge.rollout.job import Job
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.single_turn import single_turn
from skillforge.rollout.tool_loop import tool_loop


class Rollouts:
    """Makes the samples of a plan."""

    def __init__(self, plan: Plan, dispatcher: Dispatcher, limiter: Limiter, pool: SandboxPool | None) -> None:
        self.limiter = limiter
        """How many samples are to be made at once."""

        self._plan = plan
        self._dispatcher = dispatcher
        self._pool = pool

    async def make(self, job: Job, clock: Clock, loop: ToolLoop | None = None) -> Sample:
        """The finished sample of `job`, which ends with what it has when the time of `clock` is up.

        `loop` takes the place of the plan's own budgets and rules for code.
        """
        code = self._plan.code
        if code is None or self._pool is None:
            return await single_turn(job, self._plan.sampling, self._dispatcher, clock)
        prompt = self._plan.prompt
        tools = Tools(code.protocol, loop or code.loop, prompt.part, prompt.options, self._pool)
        return await tool_loop(job, self._plan.sampling, self._dispatcher, tools, clock)


@contextlib.asynccontextmanager
async def open_rollouts(plan: Plan) -> AsyncIterator[Rollouts]:
    """Connect to the model of `plan`, or load it, and start the sandbox that its code needs.

    Raises BackendUnusable and SandboxUnusable before anything is asked.
    """
    backend: Backend = plan.backend.part
    _allow_many_files()
    async with contextlib.AsyncExitStack() as stack:
        pool = None
        if plan.code is not None:
            sandbox: Sandbox = plan.code.sandbox.part
            pool = await stack.enter_async_context(sandbox.open(plan.code.sandbox.options))
        client = await stack.enter_async_context(backend.open(plan.target, plan.backend.options))
        await client.check()
        limiter = Limiter(plan.settings.concurrency or client.default_concurrency)
        yield Rollouts(plan, Dispatcher(client, limiter, plan.settings.retries), limiter, pool)


def _allow_many_files() -> None:
    """Raise the limit of open files as far as the system lets us: the usual 1024 is less than a server may take."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
