"""The sandbox `local`: Python sessions behind walls of the kernel, each forked from a warm interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from msgspec import Meta

from skillforge import Finding, PartOptions, Sandbox, SandboxPool, hookimpl

SKILLFORGE_CONTRACT = 1

Count = Annotated[int, Meta(ge=1)]

PRELOAD = (
    "numpy", "sympy", "math", "cmath", "fractions", "decimal", "statistics", "random", "itertools", "functools",
    "collections", "operator", "string", "re", "json", "datetime", "calendar", "heapq", "bisect", "typing", "dataclasses",
)  # fmt: skip


class SessionOptions(PartOptions, frozen=True, kw_only=True):
    """What sessions have in common wherever their interpreter is forked: their limits and what they begin with."""

    memory: Annotated[Count, Meta(description="Memory of a session's processes together, in MB.")] = 1024
    disk: Annotated[Count, Meta(description="Size of a session's own file system, which is in memory, in MB.")] = 64
    processes: Annotated[Count, Meta(description="Most processes and threads of a session.")] = 64
    output: Annotated[
        Count, Meta(description="Output to keep of a cell, for each stream, in KB: its beginning and its end.")
    ] = 64
    output_limit: Annotated[Count, Meta(description="Output at which a cell is ended, in MB.")] = 16
    prelude: Annotated[
        str, Meta(description="Code whose names every session begins with, such as 'from sympy import *'.")
    ] = ""
    checkpoint: Annotated[
        bool,
        Meta(description="Copy the interpreter before each cell, so that a crash or a time-out costs the cell only."),
    ] = False


class LocalOptions(SessionOptions, frozen=True, kw_only=True):
    """Options of the sandbox `local`. The limits are those of one session."""

    minimum_tier: Annotated[
        Annotated[int, Meta(ge=1, le=3)],
        Meta(
            description="Refuse to start with fewer walls: 3 namespaces, Landlock and seccomp; 2 seccomp, and namespaces "
            "or Landlock; 1 resource limits only, which isolate nothing."
        ),
    ] = 3
    sessions: Annotated[Count, Meta(description="Most sessions at a time; further users wait for one.")] = 256
    ready: Annotated[Annotated[int, Meta(ge=0)], Meta(description="Sessions to keep started ahead of their users.")] = 4
    preload: Annotated[
        tuple[str, ...], Meta(description="Modules that are imported once, before any session starts.")
    ] = PRELOAD
    python: Annotated[
        str | None, Meta(description="Interpreter of the sessions. Default: the one that SkillForge runs in.")
    ] = None


class LocalSandbox(Sandbox):
    """Namespaces, a private root, Landlock, seccomp, limits and a fork of a warm interpreter for each session."""

    name = "local"
    summary = "Python sessions behind namespaces, Landlock and seccomp; needs Linux, no daemon and no root."
    Options = LocalOptions
    licence = "Apache-2.0"

    def open(self, options: LocalOptions) -> AbstractAsyncContextManager[SandboxPool]:
        from skillforge_local_sandbox.pool import open_pool

        return open_pool(options)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_local_sandbox.tiers import diagnose

        return diagnose()


@hookimpl
def skillforge_sandbox() -> Sandbox:
    return LocalSandbox()
