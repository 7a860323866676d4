"""Verdicts of a grading under way, beside those of the run until they take their place."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.parts.sample import Sample
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.rows import RowLog, read_rows, write_errors

PREFIX = "verdicts.partial-"


class Regrading:
    """New verdicts on all samples of a run, in the order of the samples. Needs the run's lock.

    They are in a file of their own, named after all that decides them: what is cut short can only be continued by the same.
    """

    def __init__(self, run: RunDirectory, decides: Any) -> None:
        """`decides` is plain data: who judges, and how. Any change of samples.jsonl counts too."""
        self._run = run
        with write_errors(run.samples_path):
            found = run.samples_path.stat()
        decides = (decides, found.st_size, found.st_mtime_ns)
        digest = hashlib.blake2b(msgspec.json.encode(decides, order="sorted"), digest_size=6).hexdigest()
        self.path = run.path / f"{PREFIX}{digest}.jsonl"

    @contextlib.contextmanager
    def log(self) -> Iterator[RowLog]:
        """Where new verdicts go. A file that has none in the end is removed."""
        try:
            with RowLog(self.path) as log:
                yield log
        finally:
            with contextlib.suppress(FileNotFoundError):
                if self.path.stat().st_size == 0:
                    self.path.unlink()

    def verdicts(self, samples: Iterator[Sample]) -> Iterator[tuple[Sample, VerdictRow]]:
        """The verdicts that are there, each with its sample, which is taken from `samples`."""
        for number, row in enumerate(read_rows(self.path, VerdictRow, fix="remove the file"), 1):
            sample = next(samples, None)
            if sample is None or sample.key != row.key:
                raise SkillForgeError(f"{self.path}:{number}: not the verdict on sample {number}", "remove the file")
            yield sample, row

    def finish(self) -> None:
        """Replace the run's verdicts by these, and remove what other gradings left that were cut short."""
        with write_errors(self._run.verdicts_path):
            self.path.replace(self._run.verdicts_path)
            for path in self._run.path.glob(f"{PREFIX}*.jsonl"):
                path.unlink()
