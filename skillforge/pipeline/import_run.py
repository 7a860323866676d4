"""Import: any JSON-lines file of generations into a run, to grade, report and compare it like our own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from skillforge.data import DataRead, DataSource, Row
from skillforge.errors import UsageError
from skillforge.metrics.summary import Summary
from skillforge.options import parse
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.part import OPERATIONAL, PartOptions
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample
from skillforge.parts.transcript import Segment, Transcript
from skillforge.pipeline.grade import grade
from skillforge.pipeline.observer import Observer
from skillforge.pipeline.resolve import find_data_dir, find_split
from skillforge.registry import Registry
from skillforge.runs.directory import RunDirectory
from skillforge.runs.manifest import Manifest
from skillforge.runs.rows import write_lines_atomically
from skillforge.text import one_line


class ImportSettings(PartOptions, frozen=True, kw_only=True, omit_defaults=True):
    """How the rows of a file become samples. A FIELD may go into nested objects: `output.text`."""

    response: Annotated[
        tuple[str, ...],
        Meta(description="Field with the model's text, or a list of texts; repeatable for several samples."),
    ]
    benchmark: Annotated[
        str | None,
        Meta(description="Take the problems from this benchmark; rows are matched by --id-field or --question-field."),
    ] = None
    split: Annotated[str | None, Meta(description="Split of the benchmark. Default: the benchmark's own.")] = None
    question_field: Annotated[str, Meta(description="Field with the question.")] = "question"
    expected_field: Annotated[
        str | None,
        Meta(description="Field with the expected answer, where no benchmark gives it. Default: expected_answer."),
    ] = None
    id_field: Annotated[
        str | None, Meta(description="Field with the problem's id. Default: the row's number, from 0.")
    ] = None
    reward_field: Annotated[
        str | None,
        Meta(description="Field with the reward of the text, a number, or a list with one for each text."),
    ] = None
    model: Annotated[str, Meta(description="Name of the model that wrote the texts, for reports.")] = "unknown"
    grader: Annotated[str | None, Meta(description="Grader. Default: the benchmark's own; required without one.")] = (
        None
    )
    data_dir: Annotated[
        str | None, Meta(description="Folder with upstream data files. Default: SKILLFORGE_DATA.", extra=OPERATIONAL)
    ] = None


def import_run(file: Path, settings: ImportSettings, path: Path, registry: Registry, observer: Observer) -> Summary:
    """Make the run `path` of the generations in `file`, and grade it."""
    benchmark = _find_benchmark(settings, registry)
    grader = settings.grader or (benchmark[0].default_grader if benchmark else None)
    if grader is None:
        raise UsageError("no grader is named", "give --grader, or --benchmark to use its own")
    grader_id = registry.find("grader", grader).id
    source = DataSource(find_data_dir(settings.data_dir))
    problems = _Problems(benchmark[0], benchmark[1], source) if benchmark else None
    manifest = _manifest(file, settings, benchmark, grader_id, source)
    if (path / "samples.jsonl").exists():
        raise UsageError(f"{path} holds a run already", f"choose another --out, or grade it: skillforge grade {path}")
    if settings.benchmark is not None:  # as an evaluation says it, so that the two can be compared
        manifest.identity["benchmark"] = registry.find("benchmark", settings.benchmark).id
        manifest.identity["data"] = {read.name: read.sha256 for read in source.reads}
    with RunDirectory.writing(path, manifest) as run:
        run.save_manifest()
        try:
            write_lines_atomically(
                run.samples_path, _lines(file, _samples(file, settings, problems, manifest.resolved))
            )
        except BaseException:
            run.discard_if_empty()
            raise
        run.manifest.state = "finished"
        run.save_manifest()
    return grade(path, grader_id, {}, registry, observer)


def _find_benchmark(settings: ImportSettings, registry: Registry) -> tuple[Benchmark, str] | None:
    if settings.benchmark is None:
        return None
    if settings.expected_field is not None:
        raise UsageError(
            "--expected-field and --benchmark exclude each other", "the benchmark gives the expected answers"
        )
    part = registry.get("benchmark", settings.benchmark)
    assert isinstance(part, Benchmark)
    return part, find_split(part, settings.split)


class _Problems:
    """The problems of a benchmark, found by id or by question."""

    def __init__(self, benchmark: Benchmark, split: str, source: DataSource) -> None:
        options = parse(benchmark.Options, {}, "benchmark.")
        problems = list(benchmark.problems(split, options, source))
        self._name = f"{benchmark.name}/{split}"
        self._by_id = {problem.id: problem for problem in problems}
        self._by_question = {" ".join(problem.question.split()): problem for problem in problems}

    def find(self, row: Row, settings: ImportSettings) -> Problem:
        if settings.id_field is not None:
            id = str(_field(row, settings.id_field))
            problem, shown = self._by_id.get(id), f"id '{one_line(id, 60)}'"
        else:
            question = str(_field(row, settings.question_field))
            problem, shown = self._by_question.get(" ".join(question.split())), f"question '{one_line(question, 60)}'"
        if problem is None:
            raise row.malformed(f"{self._name} has no problem with the {shown}")
        return problem


def _samples(
    file: Path, settings: ImportSettings, problems: _Problems | None, resolved: dict[str, Any]
) -> Iterator[Sample]:
    given: dict[str, int] = {}
    known: dict[str, Problem] = {}
    for number, row in enumerate(DataSource().own_rows(file)):
        problem = problems.find(row, settings) if problems else _problem_of(row, number, settings)
        if known.setdefault(problem.id, problem) != problem:
            raise row.malformed(
                f"the id '{one_line(problem.id, 60)}' stood with another question or expected answer before"
            )
        texts = list(_responses(row, settings.response))
        if not texts:
            raise row.malformed(f"there is no text in {' or '.join(settings.response)}")
        rewards = _rewards(row, settings.reward_field, len(texts))
        for text, reward in zip(texts, rewards, strict=True):
            index = given.get(problem.id, 0)
            given[problem.id] = index + 1
            yield Sample(
                benchmark=resolved["benchmark"],
                split=resolved["split"],
                problem=problem,
                sample_index=index,
                transcript=Transcript((Segment("prompt", problem.question), Segment("text", text))),
                reward=reward,
            )


def _lines(file: Path, samples: Iterable[Sample]) -> Iterator[bytes]:
    encoder, found = msgspec.json.Encoder(), False
    for sample in samples:
        found = True
        yield encoder.encode(sample) + b"\n"
    if not found:
        raise UsageError(f"{file} holds no generations", "name a JSON-lines file with a text in each row")


def _problem_of(row: Row, number: int, settings: ImportSettings) -> Problem:
    expected = _field(row, settings.expected_field or "expected_answer")
    return Problem(
        id=str(number) if settings.id_field is None else str(_field(row, settings.id_field)),
        question=str(_field(row, settings.question_field)),
        expected_answer=None if expected is None else str(expected),
    )


def _responses(row: Row, fields: Iterable[str]) -> Iterator[str]:
    for field in fields:
        found = _field(row, field)
        for text in found if isinstance(found, list) else [found]:
            if not isinstance(text, str):
                raise row.malformed(f"field '{field}' holds {type(text).__name__}, not text")
            yield text


def _rewards(row: Row, field: str | None, texts: int) -> list[float | None]:
    """A reward for each text; one may stand in a list of its own."""
    if field is None:
        return [None] * texts
    found = _field(row, field)
    listed = found if isinstance(found, list) else [found]
    rewards = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in listed]
    if len(rewards) != texts or any(isinstance(one, bool) or not isinstance(one, int | float) for one in rewards):
        raise row.malformed(f"field '{field}' does not hold a number for each of {texts} texts")
    return [float(one) for one in rewards]


def _field(row: Row, path: str) -> Any:
    """The value at `path`: a field's own name, or names of nested objects joined by dots."""
    value: Any = row.values
    if path in row.values:
        return row.values[path]
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            raise row.malformed(f"field '{path}' is missing")
        value = value[name]
    return value


def _manifest(
    file: Path, settings: ImportSettings, benchmark: tuple[Benchmark, str] | None, grader_id: str, source: DataSource
) -> Manifest:
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", "check the path") from error
    name, split = (benchmark[0].name, benchmark[1]) if benchmark else (file.stem, "all")
    shared = {"benchmark": name, "split": split, "model": settings.model}
    return Manifest(
        command="import",
        settings=msgspec.to_builtins(settings),
        resolved={
            **shared,
            "file": str(file),
            "grader": grader_id,
            "options": {},
            "subset_fields": list(benchmark[0].subset_fields) if benchmark else [],
        },
        identity={**shared, "file_sha256": digest, "response": list(settings.response)},
        data=[*source.reads, DataRead(file.name, digest)],
    )
