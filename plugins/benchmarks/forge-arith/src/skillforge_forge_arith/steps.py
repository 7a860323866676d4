"""Worked steps: as text, as a Python program, and in other orders that lead to the same answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, permutations, product
from typing import NamedTuple

from skillforge_forge_arith.partition import RANGES, Part, apply, part_of_pair

_PYTHON: Mapping[str, str] = {"+": "+", "-": "-", "*": "*", "/": "//"}
"""Operation -> its sign in Python. No step leaves a remainder, so whole numbers stay whole."""

_SUMS = "+-"


class Step(NamedTuple):
    """One worked step: `left operation right = result`."""

    left: int
    operation: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left} {self.operation} {self.right} = {self.result}"


Steps = tuple[Step, ...]
"""A chain: each step works on the result of the one before."""


def in_text(steps: Steps) -> str:
    """The steps as equations, then `#### answer`."""
    return " ".join(f"{step}." for step in steps) + f" #### {steps[-1].result}"


def in_python(steps: Steps) -> str:
    """The steps as a program that prints the answer."""
    first, *rest = steps
    opening = f"total = {first.left} {_PYTHON[first.operation]} {first.right}"
    changes = [f"total {_PYTHON[step.operation]}= {step.right}" for step in rest]
    return "\n".join([opening, *changes, "print(total)"])


def in_expression(steps: Steps) -> str:
    """The steps as one Python expression, such as `(43 + 35) // 2`."""
    written, is_sum = str(steps[0].left), False
    for step in steps:
        if is_sum and step.operation not in _SUMS:
            written = f"({written})"
        written = f"{written} {_PYTHON[step.operation]} {step.right}"
        is_sum = step.operation in _SUMS
    return written


def orders(steps: Steps, range_name: str) -> list[Steps]:
    """The orders of `steps` that lead to their answer, the given one among them.

    Neighbours that add and take away may change places, where every operand pair stays in the part that owns those of
    `steps`, and every value in the range.
    """
    choices = [permutations(run) if run[0].operation in _SUMS else (run,) for run in _runs(steps)]
    found = dict.fromkeys(_chain(steps[0].left, sum(chosen, ())) for chosen in product(*choices))
    part, limit = part_of_pair(*steps[0][:3]), RANGES[range_name].limit
    return [order for order in found if all(_belongs(step, part, limit) for step in order)]


def additions_first(steps: Steps) -> Steps:
    """The steps in the order in which, of neighbours that add and take away, all that add come first.

    Operand pairs may belong to another part than those of `steps`, and values may leave the range.
    """
    ordered = [sorted(run, key=lambda step: step.operation == "-") for run in _runs(steps)]
    return _chain(steps[0].left, [step for run in ordered for step in run])


def _runs(steps: Steps) -> list[Steps]:
    """The steps in groups: neighbours that add and take away, which may change places, and those between."""
    return [tuple(run) for _, run in groupby(steps, lambda step: step.operation in _SUMS)]


def _chain(start: int, changes: Sequence[Step]) -> Steps:
    """The operations of `changes` with their second operands, one after the other from `start` on."""
    value, chained = start, []
    for _, operation, right, _ in changes:
        result = apply(value, operation, right)
        assert result is not None  # each run of changes ends where it did, whatever its order
        chained.append(Step(value, operation, right, result))
        value = result
    return tuple(chained)


def _belongs(step: Step, part: Part, limit: int) -> bool:
    return 1 <= step.result <= limit and part_of_pair(step.left, step.operation, step.right) == part
