"""The sandbox of this process: opened when it is first needed, and kept, since opening takes about a second."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  # so that what it does at the end of the process comes after what we do
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from skillforge import PartOptions, Sandbox
from skillforge.options import assigned, parse
from skillforge.registry import Registry
from skillforge_code_tests_grader.held import Held
from skillforge_code_tests_grader.sides import Sides

Result = TypeVar("Result")


class OpenSandbox:
    """An event loop with an open sandbox in it. The loop stands still between two calls."""

    def __init__(self, name: str, assignments: Sequence[str]) -> None:
        values = assigned(assignments, "grader.sandbox_options", "memory=512")
        part: Sandbox = Registry().get("sandbox", name)  # type: ignore[assignment]
        options = parse(part.Options, values, "grader.sandbox_options ")
        self._runner = asyncio.Runner()
        try:
            self._runner.run(self._open(part, options))
        except BaseException:
            self._runner.close()
            raise

    def run(self, judge: Callable[[Sides], Coroutine[Any, Any, Result]]) -> Result:
        """The result of `judge`, called with what gives out sessions."""
        return self._runner.run(judge(self._sides))

    def close(self) -> None:
        """End the sandbox. It must not be used any more."""
        with self._runner:
            self._runner.run(self._close())

    async def _open(self, part: Sandbox, options: PartOptions) -> None:
        self._held = Held(part.open(options))
        self._sides = Sides(await self._held.enter())
        await self._sides.prepare()

    async def _close(self) -> None:
        await self._sides.close()
        await self._held.leave()


_opened: dict[tuple[int, str, tuple[str, ...]], OpenSandbox] = {}


def sandbox(name: str, assignments: tuple[str, ...]) -> OpenSandbox:
    """The sandbox `name` with options as NAME=VALUE; closed when the process ends. Raises SkillForgeError."""
    key = (os.getpid(), name, assignments)
    if key not in _opened:
        _opened[key] = OpenSandbox(name, assignments)
    return _opened[key]


def _close_all() -> None:
    for (pid, *_), found in _opened.items():
        if pid == os.getpid():
            found.close()
    _opened.clear()


threading._register_atexit(_close_all)  # type: ignore[attr-defined]  # with atexit, closing could start no thread any more
