"""What a stage finds, and who listens to the stages."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, TypeVar

from skillforge_math_grader.tree import Node, describe

Outcome = Literal["equal", "different", "undecided"]
OUTCOMES: dict[bool | None, Outcome] = {True: "equal", False: "different", None: "undecided"}


class Finding(NamedTuple):
    """Equal (True), different (False) or undecided (None), the stage that found it, and why."""

    equal: bool | None
    stage: str
    reason: str


class Heard(NamedTuple):
    """A stage that was tried: what it was given, and what it found (None: it does not apply)."""

    stage: str
    subject: str
    finding: Finding | None
    milliseconds: float


_Stage = TypeVar("_Stage", bound=Callable[..., Finding | None])
_listener: ContextVar[list[Heard] | None] = ContextVar("_listener", default=None)


def stage(name: str) -> Callable[[_Stage], _Stage]:
    """Marks a function as a stage of the comparison, which `listening` hears of."""

    def mark(function: _Stage) -> _Stage:
        @functools.wraps(function)
        def heard(*arguments: Any) -> Finding | None:
            listener = _listener.get()
            if listener is None:
                return function(*arguments)
            started = time.perf_counter()
            finding = function(*arguments)
            milliseconds = (time.perf_counter() - started) * 1000
            listener.append(
                Heard(name, " and ".join(_shown(argument) for argument in arguments[:2]), finding, milliseconds)
            )
            return finding

        return heard  # type: ignore[return-value]

    return mark


@contextmanager
def listening() -> Iterator[list[Heard]]:
    """All stages that are tried meanwhile, in the order in which they ended."""
    heard: list[Heard] = []
    token = _listener.set(heard)
    try:
        yield heard
    finally:
        _listener.reset(token)


def _shown(argument: Any) -> str:
    text = getattr(argument, "text", argument)
    return describe(text) if isinstance(text, Node) else str(text)
