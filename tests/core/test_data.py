"""Reading benchmark data: every fault names its file and line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from skillforge import DataSource, HubDataset, SkillForgeError, UsageError

GOOD = b'{"question": "a", "n": 1}\n\n{"question": "b"}\n'


@pytest.fixture
def source(tmp_path: Path) -> DataSource:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.jsonl").write_bytes(GOOD)
    return DataSource(tmp_path)


def test_rows_come_with_their_lines(source: DataSource) -> None:
    rows = list(source.rows("set/test.jsonl"))
    assert [(row.where, row.text("question")) for row in rows] == [("set/test.jsonl:1", "a"), ("set/test.jsonl:3", "b")]


def test_a_file_is_found_with_or_without_its_folder(source: DataSource) -> None:
    assert source.data_dir is not None
    within = DataSource(source.data_dir / "set")
    assert len(list(within.rows("set/test.jsonl"))) == 2


def test_the_fingerprint_is_that_of_the_file_however_often_it_is_read(source: DataSource) -> None:
    first, second = source.rows("set/test.jsonl"), source.rows("set/test.jsonl")
    next(first)
    assert len(list(second)) == len(list(first)) + 1
    assert [(read.name, read.sha256) for read in source.reads] == [("set/test.jsonl", hashlib.sha256(GOOD).hexdigest())]


def test_a_last_line_without_newline_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('{"a": "1"}\n{"a": "2"}')
    assert [row.text("a") for row in DataSource(tmp_path).rows("f.jsonl")] == ["1", "2"]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"7",
        b"null",
        b'"text"',
        b'{"a": 1} {"b": 2}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": NaN}',
        b"{'a': 1}",
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "f.jsonl").write_bytes(b'{"a": "fine"}\n' + line + b"\n")
    rows = DataSource(tmp_path).rows("f.jsonl")
    assert next(rows).text("a") == "fine"
    with pytest.raises(SkillForgeError, match=r"f\.jsonl:2: not a JSON object"):
        next(rows)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "field 'question' is missing"),
        ({"question": 7}, "field 'question' is int, not text"),
        ({"question": None}, "NoneType"),
    ],
)
def test_a_row_without_the_wanted_text_is_named(tmp_path: Path, row: dict[str, object], told: str) -> None:
    (tmp_path / "f.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(SkillForgeError, match=r"f\.jsonl:1: ") as caught:
        next(DataSource(tmp_path).rows("f.jsonl")).text("question")
    assert told in caught.value.what


def test_a_missing_file_says_where_to_put_it(source: DataSource) -> None:
    with pytest.raises(UsageError, match=r"set/train\.jsonl"):
        next(source.rows("set/train.jsonl"))


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"no file .*f\.jsonl"):
        next(DataSource(tmp_path).rows("f.jsonl"))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.jsonl").write_bytes(GOOD)

    def refuse(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # file modes do not stop root
    with pytest.raises(SkillForgeError, match=r"cannot read .*f\.jsonl: Permission denied; check the file"):
        next(DataSource(tmp_path).rows("f.jsonl"))


def test_without_folder_and_hub_dataset_there_is_a_way_out() -> None:
    with pytest.raises(UsageError, match="--data-dir DIR or set SKILLFORGE_DATA"):
        next(DataSource().rows("f.jsonl"))


def test_hub_rows_have_a_fingerprint_and_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    calls: list[tuple[str, str | None, str]] = []

    def load(repo: str, config: str | None, split: str) -> list[dict[str, str]]:
        calls.append((repo, config, split))
        return [{"question": "a"}, {"question": "b"}]

    monkeypatch.setattr(datasets, "load_dataset", load)
    source = DataSource()
    hub = HubDataset("who/what", "main", "test")
    for _ in range(2):
        assert [row.where for row in source.rows("f.jsonl", hub)] == ["who/what/main/test[0]", "who/what/main/test[1]"]
    assert calls == [("who/what", "main", "test")]
    assert [read.name for read in source.reads] == ["who/what/main/test"]


def test_a_hub_that_cannot_be_reached_says_how_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def fail(*arguments: object, **more: object) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(SkillForgeError, match=r"who/what from the hub: no route to host; .*--data-dir DIR"):
        list(DataSource().rows("f.jsonl", HubDataset("who/what", None, "test")))
