"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): grade-school maths word problems with worked solutions."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from skillforge import (
    Benchmark,
    DataSource,
    HubDataset,
    PartOptions,
    Problem,
    Row,
    SkillForgeError,
    UsageError,
    hookimpl,
)
from skillforge.text import closest, one_line
from skillforge_gsm8k.corrections import TRAIN_CORRECTIONS

SKILLFORGE_CONTRACT = 1

TRAIN_ROWS = 7473
NEMO_SEED = 42
NEMO_VALIDATION_ROWS = 1000

_ANSWER = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?")
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")


class Gsm8kOptions(PartOptions, frozen=True, kw_only=True):
    """Options of `gsm8k`."""

    corrected: Annotated[
        bool,
        Meta(description="Replace the 11 wrong train answers by the right ones, as NeMo Skills does. Not for test."),
    ] = False


class Gsm8k(Benchmark):
    """GSM8K, from the upstream files or from the Hugging Face hub."""

    name = "gsm8k"
    summary = "8.5 thousand grade-school maths word problems with worked solutions and integer answers."
    licence = "MIT"
    source = "https://github.com/openai/grade-school-math"
    Options = Gsm8kOptions
    splits: Mapping[str, str] = {
        "test": "1319 problems: the upstream test file",
        "train": "7473 problems: the upstream train file",
        "nemo-train": "6473 problems: NeMo Skills' train split (train shuffled with seed 42, without the first 1000)",
        "nemo-validation": "1000 problems: NeMo Skills' validation split (the first 1000 of the same shuffle)",
    }
    grader_options: Mapping[str, Any] = {"kind": "number"}
    subset_fields = ("steps",)

    def problems(self, split: str, options: Gsm8kOptions, source: DataSource) -> Iterator[Problem]:
        """The problems of `split`. A problem's id is its 0-based row number in the upstream file, in every split.

        Raises UsageError for an unknown split and for `corrected` with test, which has no corrections.
        """
        if split not in self.splits:
            raise UsageError(f"gsm8k has no split '{one_line(split, 80)}'", closest(split, self.splits))
        if split == "test" and options.corrected:
            raise UsageError("gsm8k test has no corrected answers, only train has", "leave option 'corrected' out")
        upstream = "test" if split == "test" else "train"
        rows = source.rows(f"gsm8k/{upstream}.jsonl", HubDataset("openai/gsm8k", "main", upstream))
        numbered = enumerate(rows) if split == upstream else _nemo_split(split, rows)
        return (_problem(number, row, options) for number, row in numbered)


def _nemo_split(split: str, rows: Iterator[Row]) -> Iterator[tuple[int, Row]]:
    """Part the train rows as NeMo Skills does: shuffled with `random.seed(42)`, the first 1000 are validation."""
    train = list(rows)
    if len(train) != TRAIN_ROWS:
        raise SkillForgeError(
            f"gsm8k {split}: the train file has {len(train)} rows, not {TRAIN_ROWS}",
            "this split is defined on the whole upstream file only; fetch it again",
        )
    order = list(range(TRAIN_ROWS))
    random.Random(NEMO_SEED).shuffle(order)
    cut = order[:NEMO_VALIDATION_ROWS] if split == "nemo-validation" else order[NEMO_VALIDATION_ROWS:]
    return ((number, train[number]) for number in cut)


def _problem(number: int, row: Row, options: Gsm8kOptions) -> Problem:
    question = row.text("question")
    if not question.strip():
        raise row.malformed("field 'question' is empty")
    solution, answer = _split_answer(row)
    metadata: dict[str, Any] = {"steps": sum(1 for line in solution.split("\n") if line.strip())}
    if options.corrected and number in TRAIN_CORRECTIONS:
        right = _correct(number, row, answer)
        if right != answer:
            metadata["corrected_from"] = answer
            answer = right
    return Problem(
        id=str(number), question=question, expected_answer=answer, reference_solution=solution, metadata=metadata
    )


def _split_answer(row: Row) -> tuple[str, str]:
    """The worked solution, without calculator marks and the answer line, and the answer, without thousands commas."""
    parts = row.text("answer").split("####")
    if len(parts) != 2:
        raise row.malformed(f"field 'answer' must have one '#### ' before the final answer, and has {len(parts) - 1}")
    solution, answer = parts[0].rstrip(), parts[1].strip()
    if not _ANSWER.fullmatch(answer):
        raise row.malformed(f"the final answer {one_line(answer, 80)!r} in field 'answer' is not a number")
    return _CALCULATOR.sub("", solution), answer.replace(",", "")


def _correct(number: int, row: Row, answer: str) -> str:
    correction = TRAIN_CORRECTIONS[number]
    if answer not in correction:
        raise row.malformed(
            f"option 'corrected' is for the upstream file, whose answer here is {correction.upstream}, not {answer}"
        )
    return correction.right


@hookimpl
def skillforge_benchmark() -> Benchmark:
    return Gsm8k()
