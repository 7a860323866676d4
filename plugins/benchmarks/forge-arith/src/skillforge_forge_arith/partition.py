"""Which split owns an operand pair, and which problems are kept back from training.

Both are decided by a keyed hash of the text alone: independent of the seed, of the Python process and of its version,
so a model trained on any seed's `train` has never been shown an operand pair of any seed's `test`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

Part = Literal["train", "validation", "test"]

VALIDATION_PERCENT = 10
TEST_PERCENT = 10
RESERVED_PERCENT = 10
"""Share of the problem outlines over train pairs that belongs to `test-seen` and never occurs in `train`."""


class Range(NamedTuple):
    """How large numbers get: operands that a sentence adds or takes away, and every value on the way."""

    operand: int
    limit: int


RANGES = {"small": Range(20, 40), "medium": Range(50, 100), "large": Range(99, 200)}
FACTORS = range(2, 10)
"""Multipliers and divisors that a sentence states."""


def stable_hash(text: str, salt: str = "") -> int:
    """A 64-bit hash of `text` that is the same everywhere."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8, key=salt.encode()).digest(), "big")


def part_of_pair(left: int, operation: str, right: int) -> Part:
    """The part of the data that owns `left operation right`: 80 % train, 10 % validation, 10 % test.

    Operand order is ignored where it does not matter (+ and *).
    """
    if operation in "+*" and left > right:
        left, right = right, left
    bucket = stable_hash(f"{left}{operation}{right}", "pair") % 100
    if bucket < TEST_PERCENT:
        return "test"
    return "validation" if bucket < TEST_PERCENT + VALIDATION_PERCENT else "train"


def is_reserved(outline: str) -> bool:
    """Whether problems of this outline (family and numbers, whatever the names) are kept back from `train`."""
    return stable_hash(outline, "outline") % 100 < RESERVED_PERCENT


def apply(left: int, operation: str, right: int) -> int | None:
    """The whole-number result of one step, or None where there is none."""
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    if operation == "*":
        return left * right
    return left // right if left % right == 0 else None


@lru_cache(maxsize=1 << 14)
def operands(part: Part, range_name: str, left: int, operation: str) -> tuple[int, ...]:
    """The second operands that may follow `left`, so that the pair belongs to `part` and the result stays in range."""
    operand, limit = RANGES[range_name]
    candidates = FACTORS if operation in "*/" else range(2, operand + 1)
    found = []
    for right in candidates:
        result = apply(left, operation, right)
        if result is not None and 1 <= result <= limit and part_of_pair(left, operation, right) == part:
            found.append(right)
    return tuple(found)
