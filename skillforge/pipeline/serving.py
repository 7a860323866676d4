"""Serve: a server of one model in the foreground, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.parts.backend import Backend, Server, Target
from skillforge.parts.model import ModelRef
from skillforge.pipeline.interrupts import run_interruptibly
from skillforge.pipeline.resolve import Chosen, backend_for, choose_part, find_model
from skillforge.registry import Registry
from skillforge.server import running
from skillforge.server_command import require_free

ASK_LIMIT = 10.0
"""Seconds that a server which is ready may take to tell about its model."""


class Serving(msgspec.Struct, frozen=True):
    """A server to start."""

    model: str
    """As the user names it."""

    server: Server
    backend: Chosen
    values: Mapping[str, Any]
    """The options of the backend that the user set."""

    prompt: str | None
    """The model's own prompt style, which its name on the server does not lead to."""


class Served(msgspec.Struct, frozen=True):
    """A server that takes requests."""

    seconds: float
    """That it took to start."""

    context: int | None
    """Tokens of prompt and answer together, where that is told."""

    client: tuple[str, ...]
    """What `skillforge eval` is given to ask it."""


def plan_serving(
    model: str | None, backend: str | None, values: Mapping[str, Any], host: str, port: int, registry: Registry
) -> Serving:
    """Find model and backend as an evaluation does. Raises UsageError for all that can be known before a start."""
    ref, part = find_model(model, None, registry, unnamed="give --model NAME or --model FOLDER")
    chosen = backend_for(backend, None, values, part, registry)
    server: Server = chosen.part.server(Target(ref), chosen.options, host, port)
    require_free(host, port)
    known = part is not None and server.model == part.name
    return Serving(ref.name, server, chosen, values, None if part is None or known else part.default_prompt)


def serve(
    plan: Serving, registry: Registry, log: Path, on_output: Callable[[bytes], object], on_ready: Callable[[Served], object]
) -> None:  # fmt: skip
    """Run the server of `plan` until SIGTERM; its output goes to `log` and `on_output`.

    Raises BackendUnusable where it ends by itself, and Interrupted after Ctrl-C, or SIGTERM before it was ready.
    """

    async def work() -> None:
        async with running(plan.server, log=log, patience=math.inf, on_output=on_output) as started:
            stopped = asyncio.Event()
            with contextlib.suppress(ValueError, RuntimeError):  # outside the main thread there are no handlers
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
            on_ready(await _served(plan, started.seconds, registry))
            ended = asyncio.ensure_future(started.ended())
            await asyncio.wait({ended, asyncio.ensure_future(stopped.wait())}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise ended.result()

    run_interruptibly(work)


async def _served(plan: Serving, seconds: float, registry: Registry) -> Served:
    """What the server tells, and how it is asked: by the first backend that finds its model there."""
    target = Target(ModelRef(plan.server.model, plan.server.model), plan.server.base_url)
    client = ["--base-url", plan.server.base_url, "--model", plan.server.model]
    client += ["--prompt", plan.prompt] if plan.prompt else []
    for backend, values in _candidates(plan, registry):
        part: Backend = backend.part
        with contextlib.suppress(Exception):  # whatever it is, the server runs
            async with asyncio.timeout(ASK_LIMIT), part.open(target, backend.options) as asked:
                await asked.check()
                context = await asked.context_length()
                return Served(seconds, context, (*client, "--backend", part.name, *_as_given(values)))
    own = () if _loads_weights(plan) else ("--backend", plan.backend.part.name)
    return Served(seconds, None, (*client, *own))


def _as_given(values: Mapping[str, Any]) -> Iterator[str]:
    """Options of a backend as the command line takes them; one that was given more than once has a list of values."""
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            yield from ("-o", f"backend.{name}={one}")


def _candidates(plan: Serving, registry: Registry) -> Iterator[tuple[Chosen, Mapping[str, Any]]]:
    """Backends that may be able to ask the server, with the options that they need for it: the fewest first."""
    if not _loads_weights(plan):
        yield choose_part("backend", plan.backend.id, {}, registry), {}
        yield plan.backend, plan.values
    with contextlib.suppress(SkillForgeError):
        yield backend_for(None, plan.server.base_url, {}, None, registry), {}


def _loads_weights(plan: Serving) -> bool:
    """Whether the backend itself asks no server, although it starts one."""
    part: Backend = plan.backend.part
    return part.default_for == "weights"
