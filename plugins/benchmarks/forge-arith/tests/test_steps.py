"""Worked steps: programs that give the answer, and other orders that keep what the splits promise."""

from __future__ import annotations

import contextlib
import io

import pytest

from skillforge_forge_arith.generate import DEFAULT_SIZES, PART_OF_SPLIT, generate
from skillforge_forge_arith.partition import RANGES, part_of_pair
from skillforge_forge_arith.steps import Step, Steps, additions_first, in_expression, in_python, in_text, orders

STEPS = (Step(12, "*", 5, 60), Step(60, "+", 8, 68), Step(68, "-", 20, 48), Step(48, "/", 4, 12))


def printed(program: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(program, {})
    return shown.getvalue()


def test_steps_as_text() -> None:
    assert in_text(STEPS) == "12 * 5 = 60. 60 + 8 = 68. 68 - 20 = 48. 48 / 4 = 12. #### 12"


def test_steps_as_a_program() -> None:
    assert in_python(STEPS) == "total = 12 * 5\ntotal += 8\ntotal -= 20\ntotal //= 4\nprint(total)"


def moved(order: Steps, steps: Steps) -> set[str]:
    """The operations of the steps that have another place in `order`."""
    return {new.operation for new, old in zip(order, steps, strict=True) if new[1:3] != old[1:3]}


def test_steps_as_one_expression() -> None:
    assert in_expression(STEPS) == "(12 * 5 + 8 - 20) // 4"
    assert in_expression(STEPS[:1]) == "12 * 5"


def test_additions_come_first_among_neighbours_only() -> None:
    told = (Step(9, "-", 4, 5), Step(5, "+", 2, 7), Step(7, "*", 3, 21), Step(21, "-", 1, 20), Step(20, "+", 5, 25))
    assert in_expression(additions_first(told)) == "(9 + 2 - 4) * 3 + 5 - 1"
    assert additions_first(STEPS) == STEPS


@pytest.mark.parametrize("split", DEFAULT_SIZES)
def test_every_program_prints_the_answer(split: str) -> None:
    for problem in generate(split, size=300):
        programs = [
            program
            for steps in (problem.steps, additions_first(problem.steps))
            for program in (in_python(steps), f"print({in_expression(steps)})")
        ]
        for program in programs:
            assert printed(program) == f"{problem.answer}\n"


@pytest.mark.parametrize("split", DEFAULT_SIZES)
def test_every_order_keeps_the_answer_the_range_and_the_part(split: str) -> None:
    part = PART_OF_SPLIT[split]
    several = 0
    for problem in generate(split, seed=5, size=500):
        found = orders(problem.steps, problem.range)
        assert problem.steps in found
        assert len(found) == len(set(found))
        several += len(found) > 1
        for order in found:
            assert order[-1].result == problem.answer
            assert sorted((s.operation, s.right) for s in order) == sorted(
                (s.operation, s.right) for s in problem.steps
            )
            assert moved(order, problem.steps) <= set("+-")
            assert printed(in_python(order)) == f"{problem.answer}\n"
            for left, operation, right, result in order:
                assert part_of_pair(left, operation, right) == part
                assert 1 <= result <= RANGES[problem.range].limit
    assert several > 0
