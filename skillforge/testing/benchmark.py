"""The contract of a benchmark."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from skillforge.data import DataSource, HubDataset, Row
from skillforge.errors import SkillForgeError, UsageError
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.part import PartOptions
from skillforge.parts.problem import Problem
from skillforge.testing.declaration import PART_NAME, begin
from skillforge.testing.report import CheckResult, Checks, GivenOptions, Skip, expect


def check_benchmark(
    part: Benchmark,
    *,
    options: GivenOptions = None,
    data_dir: Path | str | None = None,
    hub: bool = False,
    limit: int = 20,
) -> list[CheckResult]:
    """Check a benchmark: its declaration, and the first `limit` problems of each split.

    A split whose data are not at hand is skipped: give `data_dir`, or `hub=True` to download. Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    _check_splits(checks, part)
    if usable is None:
        return checks.finish()
    folder = None if data_dir is None else Path(data_dir)
    _check_missing_data(checks, part, usable)
    for split in part.splits:
        _check_split(checks, part, split, usable, folder, hub, limit)
    return checks.finish()


def _check_splits(checks: Checks, part: Benchmark) -> None:
    with checks.check("splits", "give `splits` as {name: one line on it}, and one of the names as `default_split`"):
        expect(isinstance(part.splits, Mapping) and part.splits, "there are none")
        for name, line in part.splits.items():
            expect(isinstance(name, str) and name, f"the name {name!r} is not text")
            expect(
                isinstance(line, str) and line.strip() and "\n" not in line, f"{name!r} is not described in one line"
            )
        expect(part.default_split in part.splits, f"the default split {part.default_split!r} is not among them")
    with checks.check("default prompt and grader", "name an installed prompt style and grader"):
        for field in ("default_prompt", "default_grader"):
            name = getattr(part, field)
            expect(isinstance(name, str) and PART_NAME.fullmatch(name.rpartition(":")[2]), f"{field} is {name!r}")
    with checks.check("grader options", "give `grader_options` as a mapping of option names to plain values"):
        given = part.grader_options
        expect(isinstance(given, Mapping), f"it is {type(given).__name__}")
        msgspec.json.encode(dict(given))
    with checks.check("subset fields", "give `subset_fields` as a tuple of keys of Problem.metadata"):
        fields = part.subset_fields
        expect(isinstance(fields, tuple) and all(isinstance(field, str) for field in fields), f"it is {fields!r}")


def _check_missing_data(checks: Checks, part: Benchmark, options: PartOptions) -> None:
    fix = "read through `source.rows(…)`, which says what is missing, or raise a SkillForgeError"
    with checks.check("says when data are missing", fix), tempfile.TemporaryDirectory() as empty:
        try:
            next(iter(part.problems(part.default_split, options, DataSource(Path(empty)))), None)
        except SkillForgeError as error:
            expect(error.fix, f"the error '{error.what}' does not say what to do")


def _check_split(
    checks: Checks, part: Benchmark, split: str, options: PartOptions, folder: Path | None, hub: bool, limit: int
) -> None:
    problems: list[Problem] = []
    with checks.check(f"split {split}", "yield skillforge.Problem from `problems`"):
        try:
            problems, streamed = _first(part, split, options, _Watched(folder, hub), limit)
        except UsageError as error:
            raise Skip(f"no data at hand ({error.what})") from None
        except SkillForgeError as error:
            if folder is not None:
                raise
            raise Skip(f"no data at hand ({error.what})") from None
        expect(problems, "it has no problems")
        for number, problem in enumerate(problems):
            expect(isinstance(problem, Problem), f"item {number} is {type(problem).__name__}, not Problem")
    if not problems:
        return
    with checks.check(f"split {split} streams", "yield each problem as its row is read, not from a list of all"):
        if not streamed and split != part.default_split:
            raise Skip("it reads all rows before the first problem: right only where its order needs that")
        expect(streamed, "all rows are read before the first problem is given")
    with checks.check(f"split {split} ids", "give each problem an id of its own that stays the same between runs"):
        _check_ids(problems)
    with checks.check(f"split {split} problems", "use plain JSON values: lists, not tuples; text keys; no NaN"):
        for problem in problems:
            _check_problem(problem, part.subset_fields)
    with checks.check(f"split {split} repeats", "give the same problems in the same order each time"):
        again, _ = _first(part, split, options, _Watched(folder, hub), limit)
        expect(again == problems, "a second reading gives other problems")


def _first(
    part: Benchmark, split: str, options: PartOptions, source: _Watched, limit: int
) -> tuple[list[Problem], bool]:
    """The first `limit` problems, and whether they came before the data were read to the end."""
    stream = iter(part.problems(split, options, source))
    problems = list(itertools.islice(stream, 1))
    read_all = source.exhausted
    problems += itertools.islice(stream, max(limit - 1, 0))
    return problems, not read_all or len(problems) < limit


def _check_ids(problems: list[Problem]) -> None:
    seen: set[str] = set()
    for number, problem in enumerate(problems):
        expect(isinstance(problem.id, str) and problem.id.strip(), f"problem {number} has the id {problem.id!r}")
        expect(problem.id not in seen, f"the id {problem.id!r} occurs twice")
        seen.add(problem.id)


def _check_problem(problem: Problem, subset_fields: tuple[str, ...]) -> None:
    expect(isinstance(problem.question, str) and problem.question.strip(), f"problem {problem.id} has no question")
    try:
        stored = msgspec.json.decode(msgspec.json.encode(problem), type=Problem)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        expect(False, f"problem {problem.id} cannot be stored as JSON ({error})")
    else:
        expect(stored == problem, f"problem {problem.id} is not the same after it was stored as JSON")
    for field in subset_fields:
        expect(field in problem.metadata, f"problem {problem.id} has no {field!r} in its metadata, a subset field")


class _Watched(DataSource):
    """A data source that knows whether all that was opened is read to the end, and downloads only if it may."""

    def __init__(self, data_dir: Path | None, hub: bool) -> None:
        super().__init__(data_dir)
        self._may_download = hub
        self._open = 0
        self._opened = 0

    @property
    def exhausted(self) -> bool:
        return self._opened > 0 and self._open == 0

    def rows(self, file: str, hub: HubDataset | None = None) -> Iterator[Row]:
        if self.data_dir is None and not self._may_download:
            raise UsageError(f"{file} is not read from the hub in a check", "give the folder that holds it as data_dir")
        return self._watch(super().rows(file, hub))

    def _watch(self, rows: Iterator[Row]) -> Iterator[Row]:
        self._opened += 1
        self._open += 1
        yield from rows
        self._open -= 1
