"""The tool loop at work: rollouts that run code, against a mock server that takes 100 ms a turn.

    python bench/tool_loop.py [--rollouts 2000] [--executions 3] [--concurrency 256] [--rounds 3]

The whole command `skillforge eval`, everything stored and graded, in the sandbox `local`; once with a session for each rollout
(prompt style openmath), once with a fresh process for each block (numina-tir). The ideal is a loop that costs nothing: the same
sessions and blocks, as many at once, with pauses of 100 ms where the model would write. It is compared with the rollouts'
own time, as both begin with the sandbox open; what the command needs to start and to end is told apart. The sandbox alone,
without the pauses, shows what it costs that sessions wait. All are measured in turn, round by round; medians are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from common import Measured, evaluation, measure, mock_server, parse_arguments, require, write_problems

from skillforge import SandboxSession
from skillforge.registry import Registry

LATENCY = 0.1
CODE = "left = 5\nfor day in range(1, 8):\n    left += day\nprint(left)"

STYLES = ("openmath", "numina-tir")


class Evaluated(NamedTuple):
    """A finished command; the seconds of its rollouts; of each of them the turns, and the seconds of model and code."""

    measured: Measured
    seconds: float
    turns: float
    model: float
    code: float


def main() -> None:
    given = parse_arguments(__doc__, rollouts=2000, executions=3, concurrency=256, rounds=3)
    work = given.rollouts, given.executions, given.concurrency
    for style in STYLES:
        ideal, alone, evaluations = [], [], []
        for _ in range(given.rounds):
            ideal.append(asyncio.run(_bare_loop(style, *work, pause=LATENCY)))
            alone.append(asyncio.run(_bare_loop(style, *work, pause=0)))
            evaluations.append(_evaluate(style, *work))
        _report(style, evaluations, given.concurrency / given.rollouts, median(ideal), median(alone))
    left = [path.name for path in Path("/dev/shm").glob("skillforge*")]
    print(f"left over: {_children()} processes of this one, {len(left)} files in shared memory")


async def _bare_loop(style: str, rollouts: int, executions: int, concurrency: int, *, pause: float) -> float:
    """Seconds for the sessions and blocks that `style` asks for, with a pause of so many seconds in place of each turn."""
    registry = Registry()
    sandbox, prompt = registry.get("sandbox", "local"), registry.get("prompt", style)
    rules = prompt.tool_loop(prompt.Options())  # type: ignore[attr-defined]
    async with sandbox.open(sandbox.Options(sessions=concurrency)) as pool:  # type: ignore[attr-defined]
        await pool.run_once("1", 10)
        left = iter(range(rollouts))

        async def run(session: SandboxSession, *blocks: str) -> None:
            for block in blocks:
                if (await session.run(block, 10)).status != "ok":
                    sys.exit("the sandbox failed")

        async def roll_out() -> None:
            async with contextlib.AsyncExitStack() as sessions:
                kept = None
                for _ in range(executions):
                    await asyncio.sleep(pause)
                    if rules.state == "fresh":
                        async with pool.disposable() as session:
                            await run(session, rules.prelude, CODE)
                    else:
                        kept = kept or await sessions.enter_async_context(pool.session())
                        await run(kept, CODE)
                if rules.last_turn:
                    await asyncio.sleep(pause)

        async def roll_out_all() -> None:
            for _ in left:
                await roll_out()

        started = time.perf_counter()
        await asyncio.gather(*(roll_out_all() for _ in range(concurrency)))
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
        seconds = json.loads((out / "run.json").read_bytes())["wall_seconds"]
    outputs = [part for sample in samples for part in sample["transcript"]["segments"] if part["kind"] == "output"]
    good = sum(part.get("status") == "ok" for part in outputs)
    if (len(samples), len(outputs), good) != (rollouts, rollouts * executions, rollouts * executions):
        sys.exit(f"{style}: {len(samples)} samples, {len(outputs)} outputs, {good} of them ok")
    if summary["error"]:
        sys.exit(f"{style}: {summary['error']} samples in error")
    turns = sum(sample["attempts"] for sample in samples) / rollouts
    model = sum(sample["latency"] for sample in samples) / rollouts
    return Evaluated(measured, seconds, turns, model, sum(part["seconds"] for part in outputs) / rollouts)


def _report(style: str, evaluations: list[Evaluated], share: float, ideal: float, sandbox: float) -> None:
    """Print the medians; `share` of the whole time goes to one rollout."""
    evaluations = sorted(evaluations, key=lambda each: each.seconds)
    least, typical, most = evaluations[0], evaluations[len(evaluations) // 2], evaluations[-1]
    whole = typical.measured
    waits = share * typical.seconds - typical.model - typical.code
    print(f"{style}: {typical.seconds:.1f} s ({least.seconds:.1f} to {most.seconds:.1f})")
    print(f"  ideal {ideal:.1f} s: {100 * ideal / typical.seconds:.0f} % of it reached")
    print(f"  sandbox alone {sandbox:.1f} s, server alone {typical.turns * LATENCY / share:.1f} s")
    print(f"  a rollout: model {typical.model:.2f} s, code {typical.code:.2f} s, waiting for the sandbox {waits:.2f} s")
    print(f"  whole command {whole.wall:.1f} s, {whole.cpu:.1f} s of CPU, {whole.peak_mb:.0f} MB")


def _children() -> int:
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


if __name__ == "__main__":
    main()
