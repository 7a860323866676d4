"""Arithmetic word problems, made from a seed: pure standard library, no part of SkillForge needed.

`generate("train", seed=0, size=1000)` yields them one at a time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from skillforge_forge_arith.families import FAMILIES, NAMES, WEIGHTS, Family
from skillforge_forge_arith.partition import RANGES, Part, apply, is_reserved, operands, stable_hash
from skillforge_forge_arith.steps import Step, Steps, in_text

LEVELS = (1, 2, 3, 4)

DEFAULT_SIZES: Mapping[str, int] = {"train": 20_000, "validation": 1_000, "test": 1_000, "test-seen": 1_000}
"""Split name -> number of problems when no size is given."""

PART_OF_SPLIT: Mapping[str, Part] = {
    "train": "train",
    "validation": "validation",
    "test": "test",
    "test-seen": "train",
}
"""Split name -> the part of the operand pairs that all of its steps are drawn from."""

_ATTEMPTS = 10_000
_OPERAND_TRIES = 50

T = TypeVar("T")


class ForgeProblem(NamedTuple):
    """A word problem with its worked solution."""

    number: int
    """Position within its split, from 0."""

    question: str
    solution: str
    """The steps as equations, then `#### answer`."""

    answer: int
    steps: Steps
    range: str
    """How large the numbers are: `small`, `medium` or `large`."""

    family: str

    @property
    def level(self) -> int:
        """Number of steps, 1 to 4."""
        return len(self.steps)

    @property
    def operations(self) -> str:
        """The operations in the order of the steps, such as `+ - *`."""
        return " ".join(step.operation for step in self.steps)


def generate(split: str, seed: int = 0, size: int | None = None) -> Iterator[ForgeProblem]:
    """The first `size` problems of `split` (default: DEFAULT_SIZES), one at a time.

    A smaller size is a prefix of a larger one. No question occurs twice; for this, a 64-bit hash is kept per
    problem. Raises ValueError for an unknown split, a negative seed or a size below 1.
    """
    if split not in PART_OF_SPLIT:
        raise ValueError(f"no split '{split}'; known: {', '.join(PART_OF_SPLIT)}")
    count = DEFAULT_SIZES[split] if size is None else size
    if count < 1 or seed < 0:
        raise ValueError(f"size must be at least 1 and seed at least 0, not size={size} and seed={seed}")
    return _stream(split, seed, count)


def _stream(split: str, seed: int, count: int) -> Iterator[ForgeProblem]:
    seen: set[int] = set()
    for number in range(count):
        problem = _unseen(split, seed, number, seen)
        seen.add(stable_hash(problem.question))
        yield problem


def _unseen(split: str, seed: int, number: int, seen: set[int]) -> ForgeProblem:
    # Level and range are settled before any attempt, so that each split has the same mix of them.
    draw = _Draw(f"{split}/{seed}/{number}")
    level, range_name = draw.pick(LEVELS), draw.pick(tuple(RANGES))
    for attempt in range(_ATTEMPTS):
        problem = _attempt(split, number, level, range_name, _Draw(f"{split}/{seed}/{number}/{attempt}"))
        if problem is not None and stable_hash(problem.question) not in seen:
            return problem
    raise ValueError(f"split '{split}' has no new problem left after {number}; ask for a smaller size")


class _Draw:
    """Random choices built on `random()` alone, the one method whose sequence Python promises never to change."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def distinct(self, items: Sequence[T], count: int) -> list[T]:
        rest = list(items)
        return [rest.pop(int(self._random() * len(rest))) for _ in range(count)]


def _attempt(split: str, number: int, level: int, range_name: str, draw: _Draw) -> ForgeProblem | None:
    """One problem; None where the numbers do not work out or the outline belongs to another split."""
    family = draw.pick(FAMILIES)
    steps = _draw_steps(PART_OF_SPLIT[split], range_name, _draw_plan(family, level, draw), draw)
    if steps is None or not _belongs(_outline(family, steps), split):
        return None
    return ForgeProblem(
        number=number,
        question=_tell(family, steps, draw),
        solution=in_text(steps),
        answer=steps[-1].result,
        steps=steps,
        range=range_name,
        family=family.name,
    )


def _draw_plan(family: Family, level: int, draw: _Draw) -> list[str]:
    """The operations of a problem; an operation that only an opening can tell comes first or not at all."""
    anywhere = [op for op in family.steps for _ in range(WEIGHTS[op])]
    first = anywhere + [op for op in family.openings if op not in family.steps for _ in range(WEIGHTS[op])]
    return [draw.pick(first)] + [draw.pick(anywhere) for _ in range(level - 1)]


def _draw_steps(part: Part, range_name: str, plan: Sequence[str], draw: _Draw) -> Steps | None:
    """Numbers for `plan` whose pairs all belong to `part`; None where none were found."""
    highest = RANGES[range_name].limit if plan[0] == "/" else RANGES[range_name].operand
    for _ in range(_OPERAND_TRIES):
        value = draw.pick(range(2, highest + 1))
        steps: list[Step] = []
        for operation in plan:
            choices = operands(part, range_name, value, operation)
            if not choices:
                break
            right = draw.pick(choices)
            result = apply(value, operation, right)
            assert result is not None
            steps.append(Step(value, operation, right, result))
            value = result
        if len(steps) == len(plan):
            return tuple(steps)
    return None


def _outline(family: Family, steps: Sequence[Step]) -> str:
    return f"{family.name} {steps[0].left} " + " ".join(f"{step.operation}{step.right}" for step in steps)


def _belongs(outline: str, split: str) -> bool:
    """Whether `train` or `test-seen`, which share their operand pairs, is the one to tell this outline."""
    return split not in ("train", "test-seen") or is_reserved(outline) == (split == "test-seen")


def _tell(family: Family, steps: Sequence[Step], draw: _Draw) -> str:
    """The question: opening, a sentence per step, and what is asked."""
    people = draw.distinct(NAMES, len(steps) + 1)
    fixed = {"name": people[0], "item": draw.pick(family.items)}
    first = steps[0]
    openings = family.openings.get(first.operation, ())
    # An operation without a sentence of its own has to be told by the opening.
    merged = bool(openings) and (first.operation not in family.steps or draw.chance(0.6))
    if merged:
        sentences = [draw.pick(openings).format(a=first.left, b=first.right, **fixed)]
    else:
        sentences = [draw.pick(family.start).format(n=first.left, **fixed)]
    for number, step in enumerate(steps):
        if number == 0 and merged:
            continue
        sentence = draw.pick(family.steps[step.operation])
        sentences.append(sentence.format(n=step.right, prev=people[number], who=people[number + 1], **fixed))
    sentences.append(family.ask.format(who=people[len(steps)], **fixed))
    return " ".join(sentences)
