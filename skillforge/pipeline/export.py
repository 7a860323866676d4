"""Export: a run as one flat table, a row a sample."""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from skillforge.errors import UsageError
from skillforge.parts.sample import Sample
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.rows import replacing

Format = Literal["jsonl", "parquet", "csv"]

ROW_GROUP = 5000

COLUMNS: dict[str, type] = {
    "benchmark": str, "split": str, "problem_id": str, "sample_index": int, "state": str, "verdict": str, "answer": str,
    "expected_answer": str, "reason": str, "score": float, "question": str, "prompt": str, "reasoning": str,
    "response": str, "finish_reason": str, "error": str, "seed": int, "prompt_tokens": int, "completion_tokens": int,
    "latency": float, "attempts": int, "finished_at": float, "metadata": str,
}  # fmt: skip
"""The columns and their types. `prompt` is the raw text, or the chat messages as JSON; `metadata` is JSON."""


def export(run: RunDirectory, file_format: Format, output: Path | None) -> int:
    """Write the samples of `run`, with their verdicts, to `output` (None: standard output). Returns the number of rows."""
    writers: dict[Format, Callable[[Iterator[dict[str, Any]], BinaryIO], int]] = {
        "jsonl": _write_jsonl,
        "csv": _write_csv,
        "parquet": _write_parquet,
    }
    rows = _rows(run)
    if output is None:
        if file_format == "parquet":
            raise UsageError("parquet is not text", "name a file with --output")
        return writers[file_format](rows, sys.stdout.buffer)
    with replacing(output) as stream:
        return writers[file_format](rows, stream)


def _rows(run: RunDirectory) -> Iterator[dict[str, Any]]:
    verdicts = run.verdicts()
    for sample in run.samples():
        yield _row(sample, verdicts.get(sample.key))


def _row(sample: Sample, verdict: VerdictRow | None) -> dict[str, Any]:
    prompt = sample.transcript.prompt
    reasoning = "".join(segment.text for segment in sample.transcript.segments if segment.kind == "reasoning")
    return {
        "benchmark": sample.benchmark,
        "split": sample.split,
        "problem_id": sample.problem.id,
        "sample_index": sample.sample_index,
        "state": sample.state,
        "verdict": verdict.state if verdict else None,
        "answer": verdict.answer if verdict else None,
        "expected_answer": sample.problem.expected_answer,
        "reason": verdict.reason if verdict else None,
        "score": verdict.score if verdict else None,
        "question": sample.problem.question,
        "prompt": prompt if isinstance(prompt, str) else msgspec.json.encode(prompt).decode(),
        "reasoning": reasoning or None,
        "response": sample.transcript.answer_text,
        "finish_reason": sample.finish_reason,
        "error": sample.error,
        "seed": sample.seed,
        "prompt_tokens": sample.prompt_tokens,
        "completion_tokens": sample.completion_tokens,
        "latency": sample.latency,
        "attempts": sample.attempts,
        "finished_at": sample.finished_at,
        "metadata": msgspec.json.encode(sample.problem.metadata).decode(),
    }


def _write_jsonl(rows: Iterator[dict[str, Any]], stream: BinaryIO) -> int:
    count = 0
    for row in rows:
        stream.write(msgspec.json.encode(row) + b"\n")
        count += 1
    return count


def _write_csv(rows: Iterator[dict[str, Any]], stream: BinaryIO) -> int:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, fieldnames=list(COLUMNS))
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    text.detach()
    return count


def _write_parquet(rows: Iterator[dict[str, Any]], stream: BinaryIO) -> int:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError("writing parquet needs the package 'pyarrow'", "pip install 'skillforge[tables]'") from error
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    schema = arrow.schema([(name, types[column]) for name, column in COLUMNS.items()])
    count = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        while group := list(itertools.islice(rows, ROW_GROUP)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count
