"""The benchmark as SkillForge sees it."""

from __future__ import annotations

import msgspec
import pytest

from skillforge import DataSource
from skillforge.testing import check_benchmark
from skillforge_forge_arith import ForgeArithOptions, skillforge_benchmark


def test_problems_carry_what_reports_and_graders_need() -> None:
    benchmark = skillforge_benchmark()
    made = list(benchmark.problems("test", ForgeArithOptions(seed=2, size=50), DataSource()))
    assert [problem.id for problem in made] == [str(number) for number in range(50)]
    for problem in made:
        assert problem.reference_solution is not None
        assert problem.reference_solution.endswith(f"#### {problem.expected_answer}")
        assert set(benchmark.subset_fields) <= set(problem.metadata)
        assert problem.metadata["level"] in {"1", "2", "3", "4"}


def test_default_options_give_the_documented_sizes() -> None:
    benchmark = skillforge_benchmark()
    for split, line in benchmark.splits.items():
        count = sum(1 for _ in benchmark.problems(split, benchmark.Options(), DataSource()))
        assert line.startswith(f"{count} problems")
    assert benchmark.default_split in benchmark.splits


@pytest.mark.parametrize("options", [{"seed": -1}, {"size": 0}, {"length": 3}])
def test_wrong_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(options, ForgeArithOptions)


def test_contract() -> None:
    check_benchmark(skillforge_benchmark())
