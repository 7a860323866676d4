"""The 164 problems of HumanEval: the canonical solutions are right, and ones that return nothing are wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skillforge import Verdict

Grade = Callable[..., Verdict]
FILE = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "human-eval" / "HumanEval.jsonl.gz"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"NOT TESTED: there is no {FILE}")


def rows() -> list[dict[str, Any]]:
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def shaped(row: dict[str, Any]) -> dict[str, Any]:
    return {"style": "assert", "entry_point": row["entry_point"], "prompt": row["prompt"], "code": row["test"]}


def test_canonical_solutions_are_right(grade: Grade) -> None:
    whole = [grade(shaped(row), f"```python\n{row['prompt']}{row['canonical_solution']}```") for row in rows()]
    assert [verdict.state for verdict in whole] == ["correct"] * 164


def test_canonical_completions_are_right_without_a_fence(grade: Grade) -> None:
    assert {grade(shaped(row), row["canonical_solution"]).state for row in rows()[::4]} == {"correct"}


def test_bodies_that_return_nothing_are_wrong(grade: Grade) -> None:
    assert {grade(shaped(row), "    return None").state for row in rows()} == {"wrong"}
