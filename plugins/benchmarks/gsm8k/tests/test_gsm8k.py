from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from skillforge import DataSource, Problem, SkillForgeError, UsageError
from skillforge.registry import Registry
from skillforge.testing import check_benchmark
from skillforge_gsm8k import Gsm8k, Gsm8kOptions
from skillforge_gsm8k.corrections import TRAIN_CORRECTIONS

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
upstream = pytest.mark.skipif(
    not (DATA / "gsm8k" / "train.jsonl").is_file(),
    reason=f"NOT TESTED: the upstream GSM8K files are not in {DATA}/gsm8k",
)

BOTTLES = {
    "question": "A crate holds 12 bottles. How many bottles are in 1,000 crates?",
    "answer": "A crate holds 12 bottles.\n1,000 crates hold 12 * 1000 = <<12*1000=12000>>12,000 bottles.\n#### 12,000",
}
FROST = {"question": "It is 3 degrees and gets 8 colder. How warm is it?", "answer": "3 - 8 = -5 degrees\n#### -5"}


def load(split: str, source: DataSource, **options: bool) -> list[Problem]:
    return list(Gsm8k().problems(split, Gsm8kOptions(**options), source))


def write(folder: Path, rows: list[object], split: str = "test") -> DataSource:
    path = folder / "gsm8k" / f"{split}.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return DataSource(folder)


def test_a_row_becomes_a_problem(tmp_path: Path) -> None:
    first, second = load("test", write(tmp_path, [BOTTLES, FROST]))
    assert first == Problem(
        id="0",
        question=BOTTLES["question"],
        expected_answer="12000",
        reference_solution="A crate holds 12 bottles.\n1,000 crates hold 12 * 1000 = 12,000 bottles.",
        metadata={"steps": 2},
    )
    assert (second.id, second.expected_answer, second.metadata) == ("1", "-5", {"steps": 1})


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"question": "How many?"}, "field 'answer' is missing"),
        ({"question": 7, "answer": "#### 7"}, "field 'question' is int, not text"),
        ({"question": "  ", "answer": "#### 7"}, "field 'question' is empty"),
        ({"question": "How many?", "answer": "Seven of them."}, "must have one '#### ' before the final answer"),
        ({"question": "How many?", "answer": "#### 6\n#### 7"}, "and has 2"),
        ({"question": "How many?", "answer": "Seven.\n#### seven"}, "the final answer 'seven' in field 'answer'"),
        ({"question": "How many?", "answer": "Seven.\n####"}, "is not a number"),
        ({"question": "How many?", "answer": "Seven.\n#### 12,34"}, "is not a number"),
        ('{"question": "How', "not a JSON object"),
    ],
)
def test_a_malformed_row_is_an_error_with_file_and_line(tmp_path: Path, row: object, complaint: str) -> None:
    with pytest.raises(SkillForgeError) as error:
        load("test", write(tmp_path, [FROST, row]))
    assert "gsm8k/test.jsonl:2: " in str(error.value)
    assert complaint in str(error.value)


def test_without_a_data_folder_the_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(repo: str, config: str, split: str) -> datasets.Dataset:
        asked.append((repo, config, split))
        return datasets.Dataset.from_list([BOTTLES, FROST])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = DataSource()
    assert [problem.expected_answer for problem in load("train", source)] == ["12000", "-5"]
    assert asked == [("openai/gsm8k", "main", "train")]
    assert [read.name for read in source.reads] == ["openai/gsm8k/main/train"]


def test_a_malformed_hub_row_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    table = datasets.Dataset.from_list([{"question": "How many?", "answer": "none"}])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: table)
    with pytest.raises(SkillForgeError, match=r"openai/gsm8k/main/test\[0\]: field 'answer' must have one"):
        load("test", DataSource())


def test_an_unknown_split_names_the_closest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'nemo-val'; did you mean 'nemo-validation'"):
        load("nemo-val", DataSource(tmp_path))


@pytest.mark.parametrize("split", ["nemo-train", "nemo-validation"])
def test_the_nemo_split_of_another_file_is_refused(tmp_path: Path, split: str) -> None:
    with pytest.raises(SkillForgeError, match="the train file has 1 rows, not 7473"):
        load(split, write(tmp_path, [FROST], "train"))


def test_the_nemo_splits_part_the_train_file(tmp_path: Path) -> None:
    rows: list[object] = [{"question": f"How much is {n}?", "answer": f"It is.\n#### {n}"} for n in range(7473)]
    source = write(tmp_path, rows, "train")
    validation, train = load("nemo-validation", source), load("nemo-train", source)
    assert (len(validation), len(train)) == (1000, 6473)
    assert all(problem.id == problem.expected_answer for problem in (*validation, *train))
    assert {int(problem.id) for problem in (*validation, *train)} == set(range(7473))
    order = ",".join(problem.id for problem in (*validation, *train))
    assert hashlib.sha256(order.encode()).hexdigest().startswith("f40467e9bfceffd4")


def test_corrected_is_refused_where_nothing_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gsm8k test has no corrected answers"):
        load("test", write(tmp_path, [FROST]), corrected=True)


def test_corrected_replaces_exactly_the_known_wrong_answers(tmp_path: Path) -> None:
    answers = [TRAIN_CORRECTIONS[n].upstream if n in TRAIN_CORRECTIONS else "1" for n in range(7473)]
    rows: list[object] = [{"question": "How many?", "answer": f"So.\n#### {answer}"} for answer in answers]
    source = write(tmp_path, rows, "train")
    plain, corrected = load("train", source), load("train", source, corrected=True)
    changed = {int(new.id): new for old, new in zip(plain, corrected, strict=True) if old != new}
    assert {number: problem.expected_answer for number, problem in changed.items()} == {
        number: correction.right for number, correction in TRAIN_CORRECTIONS.items()
    }
    assert changed[167].metadata == {"steps": 1, "corrected_from": "1920"}


def test_corrected_refuses_another_train_file(tmp_path: Path) -> None:
    source = write(tmp_path, [FROST] * 168, "train")
    with pytest.raises(SkillForgeError, match=r"train.jsonl:168: .* whose answer here is 1920, not -5"):
        load("train", source, corrected=True)


@upstream
def test_contract() -> None:
    check_benchmark(Gsm8k(), data_dir=DATA)


@upstream
def test_all_test_problems_load() -> None:
    source = DataSource(DATA)
    problems = load("test", source)
    assert [problem.id for problem in problems] == [str(number) for number in range(1319)]
    assert all(int(problem.expected_answer or "") is not None for problem in problems)
    assert all(problem.question and problem.reference_solution for problem in problems)
    assert not any("<<" in (problem.reference_solution or "") for problem in problems)
    assert source.reads[0].sha256 == "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14"


@upstream
def test_thousands_commas_of_the_test_answers_are_read() -> None:
    lines = (DATA / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    raw = [json.loads(line)["answer"].rpartition("#### ")[2] for line in lines]
    problems = load("test", DataSource(DATA))
    with_comma = {n: text for n, text in enumerate(raw) if "," in text}
    assert len(with_comma) == 14
    assert all(problems[n].expected_answer == text.replace(",", "") for n, text in with_comma.items())
    assert all(problems[n].expected_answer == text for n, text in enumerate(raw) if n not in with_comma)


def as_nemo(problems: list[Problem]) -> str:
    """MD5 of `problems` in the format of the file that NeMo Skills prepares."""

    def answer(text: str) -> object:
        return int(text) if text.lstrip("-").isdigit() else text

    digest = hashlib.md5()
    for problem in problems:
        row = {
            "question": problem.question,
            "expected_answer": answer(problem.expected_answer or ""),
            "reference_solution": f"{problem.reference_solution}\n",
        }
        digest.update((json.dumps(row) + "\n").encode())
    return digest.hexdigest()


@upstream
def test_the_splits_are_those_of_nemo_skills() -> None:
    """The MD5 sums of the files that its `prepare.py` writes."""
    source = DataSource(DATA)
    validation = load("nemo-validation", source, corrected=True)
    train = load("nemo-train", source, corrected=True)
    assert as_nemo(load("test", source)) == "c3d119e1d00a0eda82ef29b20abfee37"
    assert as_nemo(validation) == "332dd8bf7068d158def58da9f407400a"
    assert as_nemo([*validation, *train]) == "8e3554de433a752716203002bff5756f"


def test_it_is_found_by_its_entry_point_without_importing_datasets() -> None:
    part = Registry().get("benchmark", "gsm8k")
    assert (part.name, part.licence) == ("gsm8k", "MIT")
    code = "import sys, skillforge_gsm8k; print([m for m in ('datasets', 'pyarrow', 'numpy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
