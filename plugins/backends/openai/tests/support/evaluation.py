"""`skillforge eval` in a process of its own, on a server that a test runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROBLEMS = 30


class Eval:
    """One run, as often as it is started."""

    def __init__(self, url: str, folder: Path, *how: object) -> None:
        self._folder = folder
        self._work = (
            "--benchmark", "forge-arith", "--limit", PROBLEMS, "--prompt", "tiny", "--base-url", url, "--model", "m",
            "--out", "run", *how,
        )  # fmt: skip

    def start(self, *more: object) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "skillforge", "eval", *map(str, (*self._work, *more)), "--quiet"]
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(arguments, cwd=self._folder, env=environment, stderr=subprocess.PIPE, text=True)

    def finish(self, *more: object) -> None:
        with self.start(*more) as process:
            _, said = process.communicate(timeout=120)
            assert process.returncode == 0, said

    def samples(self) -> list[tuple[str, int, str]]:
        """(problem, index, answer) of each that is stored and not in error."""
        return [
            (row["problem"]["id"], row["sample_index"], row["transcript"]["segments"][-1]["text"])
            for row in self._rows()
            if row.get("state") != "error"
        ]

    def errors(self) -> list[str]:
        """What is said of those in error."""
        return [row["error"] for row in self._rows() if row.get("state") == "error"]

    def _rows(self) -> list[dict[str, Any]]:
        file = self._folder / "run" / "samples.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]
