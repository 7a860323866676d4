"""Engine: where shards of work run."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skillforge.parts.part import Part


class Shard(msgspec.Struct, frozen=True):
    """One piece of work: a `skillforge` command line, resumable, writing into `output`."""

    number: int
    command: tuple[str, ...]
    output: Path


class ShardResult(msgspec.Struct, frozen=True):
    """How a shard ended: `exit_code` as the command line defines it (0 done, 1 failed, 2 usage, 3 done with errors)."""

    number: int
    exit_code: int
    log: Path


class Engine(Part):
    """Runs shards: on this machine, on Ray, on Slurm."""

    kind = "engine"

    def run(self, shards: Sequence[Shard], options: Any) -> Generator[ShardResult, None, None]:
        """Run all shards and yield each result when it ends. Closing the generator stops what still runs."""
        raise NotImplementedError
