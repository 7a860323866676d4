"""What a user of the problems relies on: right solutions, separate splits, reproducible streams."""

from __future__ import annotations

import hashlib
import itertools
import re
import tracemalloc

import pytest

from skillforge_forge_arith.generate import DEFAULT_SIZES, LEVELS, ForgeProblem, generate
from skillforge_forge_arith.partition import RANGES, part_of_pair

SPLITS = tuple(DEFAULT_SIZES)
COUNT = 3_000
DIGESTS = {
    "train": "f407d144298154c3286bbcea25b9b0f7587cf1cdbe4abb860d0bea184e5c8bff",
    "validation": "5a2f12782a72c41699a2fbf4331f94797de9e715de7940bc27dde2f9658e3610",
    "test": "9ba55ca84617ee23bf146d8a947a851e0ab2b168940dcfde9c6e4545e0b7b7f1",
    "test-seen": "18c9e41ac18377659b86f725577668b29c22d231f79a7add18286619aa0ec9c5",
}
"""SHA-256 of the first 500 problems of each split, seed 0."""


@pytest.fixture(scope="module")
def problems() -> dict[str, list[ForgeProblem]]:
    return {split: list(generate(split, size=COUNT)) for split in SPLITS}


def pairs(made: list[ForgeProblem]) -> set[tuple[int, str, int]]:
    """Operand pairs read back from the solutions, smaller operand first where order does not matter."""
    found = set()
    for problem in made:
        for left, operation, right in re.findall(r"(\d+) ([-+*/]) (\d+) =", problem.solution):
            a, b = int(left), int(right)
            found.add((min(a, b), operation, max(a, b)) if operation in "+*" else (a, operation, b))
    return found


@pytest.mark.parametrize("split", SPLITS)
def test_every_solution_is_right(problems: dict[str, list[ForgeProblem]], split: str) -> None:
    for problem in problems[split]:
        worked, answer = problem.solution.split(" #### ")
        equations = worked.removesuffix(".").split(". ")
        assert len(equations) == problem.level
        running = None
        for equation in equations:
            left, operation, right, result = re.fullmatch(r"(\d+) ([-+*/]) (\d+) = (\d+)", equation).groups()  # type: ignore[union-attr]
            a, b, c = int(left), int(right), int(result)
            assert running in (None, a), problem
            assert {"+": a + b == c, "-": a - b == c, "*": a * b == c, "/": b * c == a}[operation], problem
            assert 1 <= c <= RANGES[problem.range].limit
            running = c
        assert int(answer) == running == problem.answer


@pytest.mark.parametrize("split", SPLITS)
def test_question_states_the_numbers_that_the_solution_uses(
    problems: dict[str, list[ForgeProblem]], split: str
) -> None:
    for problem in problems[split]:
        used = [problem.steps[0].left, *(step.right for step in problem.steps)]
        assert sorted(map(int, re.findall(r"\d+", problem.question))) == sorted(used)
        assert problem.question.endswith("?") and "{" not in problem.question


def test_splits_share_no_operand_pair(problems: dict[str, list[ForgeProblem]]) -> None:
    owned = {split: pairs(problems[split]) for split in SPLITS}
    for one, other in itertools.combinations(("train", "validation", "test"), 2):
        assert not owned[one] & owned[other]
    assert not owned["test-seen"] & (owned["validation"] | owned["test"])
    for left, operation, right in owned["test-seen"]:
        assert part_of_pair(left, operation, right) == "train"


def test_splits_share_no_problem_even_under_other_names(problems: dict[str, list[ForgeProblem]]) -> None:
    outlines = {split: {(p.family, p.steps) for p in problems[split]} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not outlines[one] & outlines[other]


def test_another_seed_of_train_never_reaches_the_test_splits(problems: dict[str, list[ForgeProblem]]) -> None:
    other = list(generate("train", seed=7, size=COUNT))
    assert not pairs(other) & pairs(problems["test"])
    assert not {(p.family, p.steps) for p in other} & {(p.family, p.steps) for p in problems["test-seen"]}


def test_the_operand_pair_does_not_depend_on_order() -> None:
    for a, b in itertools.product(range(2, 60), repeat=2):
        assert part_of_pair(a, "+", b) == part_of_pair(b, "+", a)
        assert part_of_pair(a, "*", b) == part_of_pair(b, "*", a)


@pytest.mark.parametrize("split", SPLITS)
def test_levels_ranges_and_families_are_all_covered(problems: dict[str, list[ForgeProblem]], split: str) -> None:
    made = problems[split]
    for level in LEVELS:
        assert sum(problem.level == level for problem in made) > COUNT / 6
    assert {problem.range for problem in made} == set(RANGES)
    assert len({problem.family for problem in made}) >= 8
    assert {operation for problem in made for operation in problem.operations.split()} == set("+-*/")


@pytest.mark.parametrize("split", SPLITS)
def test_a_seed_gives_one_stream_and_a_smaller_size_a_prefix_of_it(split: str) -> None:
    whole = list(generate(split, seed=3, size=400))
    assert list(generate(split, seed=3, size=150)) == whole[:150]
    assert list(generate(split, seed=4, size=400)) != whole
    assert [problem.number for problem in whole] == list(range(400))


@pytest.mark.parametrize("split", SPLITS)
def test_the_stream_is_the_same_on_every_machine(problems: dict[str, list[ForgeProblem]], split: str) -> None:
    """Published accuracy figures refer to these very problems."""
    text = "\n".join(f"{problem.question}\t{problem.solution}" for problem in problems[split][:500])
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[split]


def test_no_question_occurs_twice(problems: dict[str, list[ForgeProblem]]) -> None:
    for split in SPLITS:
        assert len({problem.question for problem in problems[split]}) == COUNT


def test_problems_are_made_one_at_a_time() -> None:
    stream = generate("train", size=10**12)
    tracemalloc.start()
    for problem in itertools.islice(stream, 2_000):
        assert problem
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize(("split", "seed", "size"), [("tset", 0, 1), ("test", -1, 1), ("test", 0, 0)])
def test_a_wrong_argument_is_refused_at_the_call(split: str, seed: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"no split|at least"):
        generate(split, seed=seed, size=size)
