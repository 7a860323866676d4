"""What one pair of answers may cost. Steps are counted, not timed, so that a verdict does not depend on the machine's load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STEPS = 200_000
"""Values of nodes that are computed, and comparisons (`COMPARISON` steps each): up to about a second."""

COMPARISON = 20
FUNCTION = 10
"""Steps that a function of a number with many digits stands for."""

SYMBOLIC_SECONDS = 1.0
"""What sympy may take, however many expressions the answers hold."""

SYMBOLIC_SECONDS_OF_MANY = 5.0


class Effort:
    """What is left for a pair."""

    __slots__ = ("steps", "symbolic_seconds")

    def __init__(self) -> None:
        self.steps = STEPS
        self.symbolic_seconds = SYMBOLIC_SECONDS


_effort: ContextVar[Effort | None] = ContextVar("_effort", default=None)


def effort() -> Effort:
    """What is left for the pair at hand; for a call from elsewhere, as much as a pair has."""
    return _effort.get() or Effort()


@contextmanager
def one_pair() -> Iterator[None]:
    """Grants a pair its effort. Pairs within `many_pairs` share the time for sympy."""
    outer, own = _effort.get(), Effort()
    if outer is not None:
        own.symbolic_seconds = min(own.symbolic_seconds, outer.symbolic_seconds)
    granted = own.symbolic_seconds
    token = _effort.set(own)
    try:
        yield
    finally:
        _effort.reset(token)
        if outer is not None:
            outer.symbolic_seconds -= granted - own.symbolic_seconds


@contextmanager
def many_pairs() -> Iterator[None]:
    """Grants a set of answers, of which pairs are compared, the time for sympy together."""
    together = Effort()
    together.symbolic_seconds = SYMBOLIC_SECONDS_OF_MANY
    token = _effort.set(together)
    try:
        yield
    finally:
        _effort.reset(token)
