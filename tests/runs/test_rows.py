"""Row files: whatever ends the writing, the file ends with a whole row and can be continued."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import SkillForgeError
from skillforge.runs import rows
from skillforge.runs.rows import RowLog, cut_torn_line, read_rows, write_atomically, write_lines_atomically


class Row(msgspec.Struct):
    id: int
    text: str


def write(path: Path, found: Iterable[Row]) -> None:
    with RowLog(path) as log:
        for row in found:
            log.append(row)


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5)


def test_a_file_cut_at_any_byte_is_continued_to_the_whole(tmp_path: Path) -> None:
    everything = [Row(number, f"é\n\u2028{'x' * number}") for number in range(6)]
    path = tmp_path / "whole.jsonl"
    write(path, everything)
    whole = path.read_bytes()
    for offset in range(len(whole) + 1):
        path.write_bytes(whole[:offset])
        kept = list(read_rows(path, Row))
        assert kept == everything[: len(kept)]
        write(path, everything[len(kept) :])
        assert path.read_bytes() == whole


@given(TEXTS, TEXTS, st.data())
def test_a_torn_file_keeps_exactly_its_whole_rows(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    old, new = ([Row(number, text) for number, text in enumerate(texts)] for texts in (before, after))
    write(path, old)
    whole = path.read_bytes()
    offset = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:offset])
    kept = whole[:offset].count(b"\n")
    write(path, new)
    assert list(read_rows(path, Row)) == old[:kept] + new


@pytest.mark.parametrize("tail", [b"", b"x", b"x" * rows.FLUSH_BYTES, b"x" * (3 * rows.FLUSH_BYTES + 1)])
def test_a_torn_line_of_any_length_is_cut(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    for head in (b"", b'{"id":1,"text":""}\n'):
        path.write_bytes(head + tail)
        cut_torn_line(path)
        assert path.read_bytes() == head


def test_a_file_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(tmp_path / "none.jsonl", Row)) == []
    cut_torn_line(tmp_path / "none.jsonl")


def test_a_changed_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write(path, [Row(1, "a"), Row(2, "b")])
    path.write_bytes(path.read_bytes().replace(b'"b"', b"?"))
    found = read_rows(path, Row)
    assert next(found) == Row(1, "a")
    with pytest.raises(SkillForgeError, match=r"rows\.jsonl:2: not a valid row .*restore or remove the line"):
        next(found)


def test_rows_are_on_disk_after_a_flush_and_small_groups_are_flushed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with RowLog(path) as log:
        log.append(Row(1, "a"))
        log.flush()
        assert [row.id for row in read_rows(path, Row)] == [1]
        log.append(Row(2, "x" * rows.FLUSH_BYTES))
        assert [row.id for row in read_rows(path, Row)] == [1, 2]


def test_time_flushes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "FLUSH_SECONDS", 0.0)
    with RowLog(tmp_path / "rows.jsonl") as log:
        log.append(Row(1, "a"))
        assert [row.id for row in read_rows(tmp_path / "rows.jsonl", Row)] == [1]


@given(st.lists(st.text(st.characters()), max_size=5))
def test_no_text_can_tear_a_row(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write(path, [Row(number, text) for number, text in enumerate(texts)])
    found = list(read_rows(path, Row))
    assert [row.id for row in found] == list(range(len(texts)))
    for row, text in zip(found, texts, strict=True):
        if not any("\ud800" <= char <= "\udfff" for char in text):
            assert row.text == text


class Disk:
    """Takes `room` bytes in all, at most `slice` a call, then fails."""

    def __init__(self, room: int, code: int, slice: int = 10_000) -> None:
        self._room, self._code, self._slice, self._write = room, code, slice, os.write

    def write(self, handle: int, content: Any) -> int:
        if self._room == 0:
            raise OSError(self._code, os.strerror(self._code))
        written = self._write(handle, bytes(content[: min(self._slice, self._room)]))
        self._room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 30, 31, 32, 100, 619, 620, 1000])
def test_a_full_disk_leaves_whole_rows_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "rows.jsonl"
    monkeypatch.setattr(rows.os, "write", Disk(room, errno.ENOSPC, slice=7).write)
    monkeypatch.setattr(rows, "FLUSH_BYTES", 90)
    with pytest.raises(SkillForgeError, match=r"No space left on device; free space, then continue"):
        write(path, [Row(number, "x" * 8) for number in range(100)])
    content = path.read_bytes()
    assert content == b"" or content.endswith(b"\n")
    kept = list(read_rows(path, Row))
    assert kept == [Row(number, "x" * 8) for number in range(len(kept))]
    assert len(content) > room - 120
    monkeypatch.undo()
    write(path, [Row(number, "x" * 8) for number in range(len(kept), 100)])
    assert [row.id for row in read_rows(path, Row)] == list(range(100))


@pytest.mark.parametrize(
    ("code", "told"),
    [(errno.EDQUOT, "free space"), (errno.EROFS, "make the folder writable"), (errno.EIO, "check the disk")],
)
def test_other_faults_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: str) -> None:
    monkeypatch.setattr(rows.os, "write", Disk(5, code).write)
    with pytest.raises(SkillForgeError, match=told):
        write(tmp_path / "rows.jsonl", [Row(1, "a")])
    assert (tmp_path / "rows.jsonl").read_bytes() == b""


def test_the_first_fault_is_the_one_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SkillForgeError, match="the first"), RowLog(tmp_path / "rows.jsonl") as log:
        log.append(Row(1, "a"))
        monkeypatch.setattr(rows.os, "write", Disk(0, errno.ENOSPC).write)
        raise SkillForgeError("the first")


def test_rows_before_another_fault_are_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyError), RowLog(tmp_path / "rows.jsonl") as log:
        log.append(Row(1, "a"))
        raise KeyError
    assert [row.id for row in read_rows(tmp_path / "rows.jsonl", Row)] == [1]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, b"old")
    write_lines_atomically(path, [b"new ", b"content"])
    assert path.read_bytes() == b"new content"
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]


def _faulty(before: Sequence[bytes], fault: BaseException) -> Iterable[bytes]:
    yield from before
    raise fault


@pytest.mark.parametrize("fault", [SkillForgeError("no"), KeyError("no"), KeyboardInterrupt(), OSError(28, "full")])
def test_on_any_fault_the_old_file_stays(tmp_path: Path, fault: BaseException) -> None:
    path = tmp_path / "verdicts.jsonl"
    write_atomically(path, b"old")
    with pytest.raises(SkillForgeError if isinstance(fault, OSError) else type(fault)):
        write_lines_atomically(path, _faulty([b"a" * 100_000], fault))
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["verdicts.jsonl"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SkillForgeError, match=r"cannot write .*none/x: No such file"):
        write_atomically(tmp_path / "none" / "x", b"")
