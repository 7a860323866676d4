"""A run of `skillforge eval` on forge-arith, in processes of its own, and what it has stored so far."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from command_line import Ended, separately, started

PATIENCE = 60.0


class EvalRun:
    """The run in `folder`, with the options `given`."""

    def __init__(self, folder: Path, *given: object, env: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder = folder
        self._given = ("eval", "--benchmark", "forge-arith", *given, "--out", folder.name)
        self._env = env

    def end(self, *more: object) -> Ended:
        """Run it to its end."""
        return separately(*self._given, *more, cwd=self.folder.parent, env=self._env)

    def start(self, *more: object) -> AbstractContextManager[subprocess.Popen[str]]:
        """Run it; it is killed on leaving."""
        return started(*self._given, *more, cwd=self.folder.parent, env=self._env)

    def rows(self) -> list[dict[str, Any]]:
        """The samples that are stored whole."""
        path = self.folder / "samples.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def texts(self) -> dict[str, str]:
        """Problem -> answer, of those that are not in error; each may be there once."""
        rows = [row for row in self.rows() if row.get("state") != "error"]
        texts = {row["problem"]["id"]: row["transcript"]["segments"][-1]["text"] for row in rows}
        assert len(texts) == len(rows), "a sample is there twice"
        return texts


def wait_for(
    what: Callable[[], bool], process: subprocess.Popen[str] | None = None, patience: float = PATIENCE
) -> None:
    """Wait until `what` is true, at most `patience` seconds; the process that is to bring it about must not end before."""
    until = time.monotonic() + patience
    while not what():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
