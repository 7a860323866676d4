"""The tool loop at work: rollouts that run code, against a mock server that takes 100 ms a turn.

    python bench/tool_loop.py [--rollouts 2000] [--executions 3] [--concurrency 256] [--rounds 3]

The whole command `skillforge eval`, start-up included, everything stored and graded, in the sandbox `local`; once with a
session for each rollout (prompt style openmath), once with a fresh process for each block (numina-tir). The ideal is what the
slower of the two others takes alone: the server (turns × 100 ms / concurrency), or the sandbox, which runs the same
sessions and blocks without a model, as many at once. Both are measured in turn, round by round; medians are told.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from common import Measured, evaluation, measure, mock_server, parse_arguments, require, write_problems

LATENCY = 0.1
CODE = "left = 5\nfor day in range(1, 8):\n    left += day\nprint(left)"

STYLES = (("openmath", False), ("numina-tir", True))


class Evaluated(NamedTuple):
    """A finished command; seconds that the model and the code took, for each rollout."""

    measured: Measured
    model: float
    code: float


def main() -> None:
    given = parse_arguments(__doc__, rollouts=2000, executions=3, concurrency=256, rounds=3)
    server = given.rollouts * (given.executions + 1) * LATENCY / given.concurrency
    for style, fresh in STYLES:
        alone, evaluations = [], []
        for _ in range(given.rounds):
            alone.append(asyncio.run(_sandbox_alone(given.rollouts, given.executions, given.concurrency, fresh)))
            evaluations.append(_evaluate(style, given.rollouts, given.executions, given.concurrency))
        _report(style, evaluations, server, median(alone))
    left = [path.name for path in Path("/dev/shm").glob("skillforge*")]
    print(f"left over: {_children()} processes of this one, {len(left)} files in shared memory")


async def _sandbox_alone(rollouts: int, executions: int, concurrency: int, fresh: bool) -> float:
    """Seconds that the sandbox takes for the same sessions and blocks, each fresh one with its prelude."""
    from skillforge.registry import Registry

    registry = Registry()
    sandbox, numina = registry.get("sandbox", "local"), registry.get("prompt", "numina-tir")
    blocks = [numina.tool_loop(numina.Options()).prelude, CODE] if fresh else [CODE] * executions  # type: ignore[attr-defined]
    async with sandbox.open(sandbox.Options(sessions=concurrency)) as pool:  # type: ignore[attr-defined]
        await pool.run_once("1", 10)
        left = iter(range(rollouts * executions if fresh else rollouts))

        async def work() -> None:
            for _ in left:
                async with pool.disposable() if fresh else pool.session() as session:
                    for block in blocks:
                        if (await session.run(block, 10)).status != "ok":
                            sys.exit("the sandbox failed")

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return time.perf_counter() - started


def _evaluate(style: str, rollouts: int, executions: int, concurrency: int) -> Evaluated:
    """Run the whole command, and see that all of it was done."""
    with (
        tempfile.TemporaryDirectory() as name,
        mock_server("--latency", str(LATENCY), "--executions", str(executions)) as base_url,
    ):
        folder = Path(name)
        write_problems(folder, rollouts)
        out = folder / "run"
        options = ("--prompt", style, "--concurrency", str(concurrency), "-o", f"rollout.max_executions={executions}")
        options += ("-o", f"sandbox.sessions={concurrency}")
        measured = require(measure(evaluation(folder, base_url, out, *options), terminal=True))
        samples = [json.loads(line) for line in (out / "samples.jsonl").read_bytes().splitlines()]
        summary = json.loads((out / "summary.json").read_bytes())
    outputs = [part for sample in samples for part in sample["transcript"]["segments"] if part["kind"] == "output"]
    good = sum(part.get("status") == "ok" for part in outputs)
    if (len(samples), len(outputs), good) != (rollouts, rollouts * executions, rollouts * executions):
        sys.exit(f"{style}: {len(samples)} samples, {len(outputs)} outputs, {good} of them ok")
    if summary["error"]:
        sys.exit(f"{style}: {summary['error']} samples in error")
    model = sum(sample["latency"] for sample in samples) / rollouts
    return Evaluated(measured, model, sum(part["seconds"] for part in outputs) / rollouts)


def _report(style: str, evaluations: list[Evaluated], server: float, sandbox: float) -> None:
    ideal = max(server, sandbox)
    walls = sorted(each.measured.wall for each in evaluations)
    typical = next(each for each in evaluations if each.measured.wall == walls[len(walls) // 2])
    ours = typical.measured
    print(
        f"{style}: {ours.wall:.1f} s ({walls[0]:.1f} to {walls[-1]:.1f}), {ours.cpu:.1f} s of CPU, {ours.peak_mb:.0f} MB"
    )
    alone = f"server alone {server:.1f} s, sandbox alone {sandbox:.1f} s"
    print(f"  ideal {ideal:.1f} s ({alone}): {100 * ideal / ours.wall:.0f} % of it reached")
    print(f"  a rollout: model {typical.model:.2f} s, code {1000 * typical.code:.1f} ms")


def _children() -> int:
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


if __name__ == "__main__":
    main()
