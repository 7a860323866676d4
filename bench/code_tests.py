"""Tests of code: problems per second of the grader `code-tests` on HumanEval, and what share of wrong solutions it catches.

    python bench/code_tests.py [--data ../shared/data/human-eval] [--mutants 4] [--processes 1 2] [--sandbox local] [--json]

The 164 canonical solutions are judged by the grading processes that a run uses, once for each number of processes and after a
warm-up: all must pass. Then each is changed in up to `--mutants` places, one at a time (an operator, a constant, a condition,
the end of a range, a result replaced by None), with a fixed seed. A change may leave the meaning as it was, or break what
HumanEval does not test: the survivors are listed.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import copy
import gzip
import json
import platform
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common import HERE

from skillforge import Problem, Sample, Segment, Transcript, Verdict
from skillforge.pipeline.grading_pool import GradingPool
from skillforge.pipeline.grading_process import Judge
from skillforge.registry import Registry

FILE = "HumanEval.jsonl.gz"
WARM_UP = 32
MUTANT_TIMEOUT = 2.0
"""Seconds: many mutants do not end."""

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


class Mutant(NamedTuple):
    """A solution with one change, and what the changed piece is now."""

    row: dict[str, Any]
    code: str
    change: str


def main() -> None:
    arguments = _arguments()
    rows = _read(arguments.data / FILE)
    canonical = [_sample(row, row["prompt"] + row["canonical_solution"]) for row in rows]
    speeds = {count: asyncio.run(_canonical(canonical, count, arguments.sandbox)) for count in arguments.processes}
    mutants = [mutant for row in rows for mutant in _mutants(row, arguments.mutants)]
    samples = [_sample(mutant.row, mutant.code) for mutant in mutants]
    verdicts, seconds = asyncio.run(_graded(samples, max(arguments.processes), arguments.sandbox, MUTANT_TIMEOUT))
    pairs = list(zip(mutants, verdicts, strict=True))
    result = {
        "machine": f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}",
        "sandbox": arguments.sandbox,
        "canonical": len(canonical),
        "problems_per_second": speeds,
        "mutants": len(mutants),
        "mutants_that_fail": sum(verdict.state == "wrong" for verdict in verdicts),
        "mutants_per_second": len(mutants) / seconds,
        "survivors": [
            f"{mutant.row['task_id']}: {mutant.change}" for mutant, verdict in pairs if verdict.state == "correct"
        ],
        "not_judged": [
            f"{mutant.row['task_id']}: {verdict.reason}" for mutant, verdict in pairs if verdict.state == "error"
        ],
    }
    print(json.dumps(result, indent=2) if arguments.json else _text(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = HERE.parent.parent / "shared" / "data" / "human-eval"
    parser.add_argument("--data", type=Path, default=data, help=f"folder with {FILE} (default: %(default)s)")
    parser.add_argument("--mutants", type=int, default=4, help="most mutants of a solution (default: %(default)s)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="grading processes (default: 1 2)")
    parser.add_argument("--sandbox", default="local", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser.parse_args()


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        sys.exit(f"there is no {path}: put HumanEval's file there, or name its folder with --data")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _sample(row: dict[str, Any], code: str) -> Sample:
    tests = {"style": "assert", "entry_point": row["entry_point"], "prompt": row["prompt"], "code": row["test"]}
    problem = Problem(id=row["task_id"], question=row["prompt"], metadata={"tests": tests})
    transcript = Transcript((Segment("prompt", row["prompt"]), Segment("text", f"```python\n{code}\n```")))
    return Sample(benchmark="human-eval", split="test", problem=problem, sample_index=0, transcript=transcript)


async def _canonical(samples: Sequence[Sample], processes: int, sandbox: str) -> float:
    """Problems per second. Ends the bench where a canonical solution is not right."""
    verdicts, seconds = await _graded(samples, processes, sandbox)
    for sample, verdict in zip(samples, verdicts, strict=True):
        if verdict.state != "correct":
            sys.exit(f"the canonical solution of {sample.problem.id} is {verdict.state}: {verdict.reason}")
    return len(samples) / seconds


async def _graded(
    samples: Sequence[Sample], processes: int, sandbox: str, timeout: float = 5.0
) -> tuple[list[Verdict], float]:
    grader = Registry().get("grader", "code-tests")
    options = grader.Options(sandbox=sandbox, timeout=timeout)
    async with GradingPool(Judge(grader, options, None), processes) as pool:
        await asyncio.gather(*(pool.judge(sample) for sample in samples[: WARM_UP * processes]))
        began = time.perf_counter()
        verdicts = await asyncio.gather(*(pool.judge(sample) for sample in samples))
        return verdicts, time.perf_counter() - began


def _text(result: dict[str, Any]) -> str:
    lines = [f"{result['machine']}, sandbox {result['sandbox']}"]
    lines += [
        f"{result['canonical']} canonical solutions, all right: {speed:6.1f} problems/s in {count} grading process(es)"
        for count, speed in result["problems_per_second"].items()
    ]
    share = result["mutants_that_fail"] / max(result["mutants"], 1)
    lines.append(
        f"{result['mutants_that_fail']} of {result['mutants']} mutants are wrong ({share:.1%}), "
        f"{result['mutants_per_second']:.1f}/s, {len(result['not_judged'])} not judged"
    )
    return "\n".join([*lines, *(f"  survived {line}" for line in result["survivors"]), *result["not_judged"]])


# Mutants --------------------------------------------------------------------------------------------------------------


def _mutants(row: dict[str, Any], most: int) -> list[Mutant]:
    """Different mutants of the canonical solution's function, chosen by the problem's id."""
    tree = ast.parse(row["prompt"] + row["canonical_solution"])
    unchanged = ast.unparse(tree)
    places = range(sum(1 for _ in ast.walk(_function(tree, row["entry_point"]))))
    found: dict[str, Mutant] = {}
    for place in places:
        for variant in range(2):
            changed = copy.deepcopy(tree)
            function = _function(changed, row["entry_point"])
            node = next(node for number, node in enumerate(ast.walk(function)) if number == place)
            if not _change(node, variant):
                continue
            code = ast.unparse(ast.fix_missing_locations(changed))
            if code != unchanged:
                found[code] = Mutant(row, code, ast.unparse(node))
    mutants = list(found.values())
    return random.Random(row["task_id"]).sample(mutants, min(most, len(mutants)))


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _change(node: ast.AST, variant: int) -> bool:
    """Change `node` in place, in one of two ways; whether there is such a way."""
    match node:
        case ast.Compare(ops=[first, *_]) if variant == 0:
            node.ops[0] = COMPARISONS[type(first)]()
        case ast.BinOp() | ast.BoolOp() if variant == 0 and type(node.op) in OPERATORS:
            node.op = OPERATORS[type(node.op)]()
        case ast.Constant(value=bool(value)) if variant == 0:
            node.value = not value
        case ast.Constant(value=int(value) | float(value)) if not isinstance(value, bool):
            node.value = value + 1 if variant else value - 1
        case ast.UnaryOp(op=ast.Not()) if variant == 0:
            node.op = ast.UAdd()
        case ast.If() | ast.While() if variant == 0:
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Return(value=ast.expr()) if variant == 0:
            node.value = ast.Constant(None)
        case ast.Call(func=ast.Name("range"), args=[_] | [_, _]) if variant == 0:
            node.args[-1] = ast.BinOp(node.args[-1], ast.Sub(), ast.Constant(1))
        case _:
            return False
    return True


if __name__ == "__main__":
    main()
