"""RunDirectory: the files of one run."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.parts.grader import Verdict
from skillforge.parts.sample import Sample, SampleKey
from skillforge.runs.lock import run_lock
from skillforge.runs.manifest import Manifest, differences, manifest_path, read_manifest, write_manifest
from skillforge.runs.rows import RowLog, read_rows, write_errors


class VerdictRow(Verdict, frozen=True, kw_only=True, omit_defaults=True):
    """A line of verdicts.jsonl: a Verdict with the key of its sample."""

    benchmark: str
    split: str
    problem_id: str
    sample_index: int

    @classmethod
    def of(cls, sample: Sample, verdict: Verdict) -> VerdictRow:
        return cls(
            benchmark=sample.benchmark,
            split=sample.split,
            problem_id=sample.problem.id,
            sample_index=sample.sample_index,
            state=verdict.state,
            answer=verdict.answer,
            reason=verdict.reason,
            score=verdict.score,
        )

    @property
    def key(self) -> SampleKey:
        return SampleKey(self.problem_id, self.sample_index)


class _ProblemId(msgspec.Struct):
    id: str


class _SampleHead(msgspec.Struct):
    """The part of a Sample that tells whether it is done; decoding this alone is several times faster."""

    problem: _ProblemId
    sample_index: int
    state: str = "done"

    @property
    def key(self) -> SampleKey:
        return SampleKey(self.problem.id, self.sample_index)


class RunDirectory:
    """The files of one run. Reading needs no lock; writing goes through `writing()`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.samples_path = path / "samples.jsonl"
        self.verdicts_path = path / "verdicts.jsonl"
        self.summary_path = path / "summary.json"
        self.report_path = path / "report.md"
        self._created = False

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The run in the folder `path`. Raises UsageError where there is none."""
        return cls(path, read_manifest(path))

    @classmethod
    @contextlib.contextmanager
    def writing(cls, path: Path, manifest: Manifest) -> Iterator[RunDirectory]:
        """Create the run, or continue it, as its only writer.

        Raises UsageError, with the differences, where `path` holds a run of another configuration, and SkillForgeError
        where another process writes it.
        """
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file, not a folder", "choose another --out")
        with write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        with run_lock(path):
            created = not manifest_path(path).exists()
            if not created:
                manifest = _continued(path, read_manifest(path), manifest)
            elif strange := [item.name for item in path.iterdir() if not _left_by_a_kill(item.name)]:
                raise UsageError(f"{path} is not a run and not empty (it holds {strange[0]})", "choose another --out")
            run = cls(path, manifest)
            run._created = created
            yield run

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer of this existing run."""
        with run_lock(self.path):
            yield

    def discard_if_empty(self) -> bool:
        """Remove a run that this process created and that has no sample yet; tells whether it did."""
        logs = (self.samples_path, self.verdicts_path)
        if not self._created or any(path.exists() and path.stat().st_size for path in logs):
            return False
        for path in (self.samples_path, self.verdicts_path, manifest_path(self.path), self.path / "run.lock"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody put something else there
            self.path.rmdir()
        return True

    def save_manifest(self) -> None:
        write_manifest(self.path, self.manifest)

    def samples(self) -> Iterator[Sample]:
        """All samples as a stream, in the order in which they finished. Of a sample that was retried, the last attempt."""
        _, superseded = self._survey()
        for number, sample in enumerate(read_rows(self.samples_path, Sample)):
            if number not in superseded:
                yield sample

    def is_torn(self) -> bool:
        """Whether the file of samples ends within a line, which a kill or a damaged copy leaves."""
        with self.samples_path.open("rb") as stream:
            return stream.seek(0, os.SEEK_END) > 0 and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n"

    def count_samples(self) -> int:
        """How many `samples` there are, several times faster than they can be read."""
        lines, superseded = self._survey()
        return lines - len(superseded)

    def verdicts(self) -> dict[SampleKey, VerdictRow]:
        """All verdicts by sample; of one that was judged again, the last."""
        return {row.key: row for row in read_rows(self.verdicts_path, VerdictRow)}

    def sample_log(self) -> RowLog:
        return RowLog(self.samples_path)

    def verdict_log(self, samples: RowLog | None = None) -> RowLog:
        """The log of verdicts; with `samples`, no verdict is on disk before its sample."""
        return RowLog(self.verdicts_path, samples)

    def _survey(self) -> tuple[int, set[int]]:
        """How many lines of samples there are, and which of them (from 0) are in error and were tried again later."""
        lines = 0
        failed: dict[SampleKey, int] = {}
        superseded: set[int] = set()
        for number, head in enumerate(read_rows(self.samples_path, _SampleHead)):
            if failed and head.key in failed:
                superseded.add(failed.pop(head.key))
            if head.state == "error":
                failed[head.key] = number
            lines = number + 1
        return lines, superseded


def _left_by_a_kill(name: str) -> bool:
    """Whether a file may lie in a folder whose run was killed before it had a manifest."""
    return name == "run.lock" or name.startswith(".run.json.")


def _continued(path: Path, old: Manifest, new: Manifest) -> Manifest:
    changed = differences(old.identity, msgspec.json.decode(msgspec.json.encode(new.identity)))  # tuples become lists
    if changed:
        raise UsageError(
            f"{path} holds a run of another configuration ({'; '.join(changed)})",
            "choose another --out, or set the same options",
        )
    old.state, old.error = "running", None
    old.settings, old.resolved = new.settings, new.resolved
    old.plugins = new.plugins
    return old


def new_run_path(root: Path, *names: str) -> Path:
    """A folder for a new run below `root`, named after what it does and when."""
    stem = "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "x" for name in names)
    base = root / f"{stem[:100]}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def list_runs(root: Path, unreadable: Callable[[SkillForgeError], None] = lambda error: None) -> Iterator[RunDirectory]:
    """The runs directly below `root`, oldest first; folders that are not runs are passed over.

    A run whose manifest cannot be read is passed over too, and `unreadable` is told of it.
    """
    found = []
    for path in root.iterdir() if root.is_dir() else ():
        try:
            if manifest_path(path).is_file():
                found.append(RunDirectory.open(path))
        except SkillForgeError as error:
            unreadable(error)
    yield from sorted(found, key=lambda run: run.manifest.created_at)
