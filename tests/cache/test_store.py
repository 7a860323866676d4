"""The file of a cache: shared by many, whole after a kill, and never wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from skillforge import SkillForgeError, UsageError
from skillforge.cache import store as store_module
from skillforge.cache.store import FILE, MOST_BYTES, Row, Store, on_network

KEYS = [bytes([number]) * 16 for number in range(4)]

WRITE = """
import sys
from pathlib import Path
from skillforge.cache.store import Row, Store
store = Store(Path(sys.argv[1]))
origin = store.origin("b", "m", "p")
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    store.add(origin, [Row(b"%016d" % number, 0.0, b"%d" % number)], 1)
    print(number, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "cache")) as opened:
        yield opened


def keep(store: Store, *values: bytes) -> None:
    origin = store.origin("b", "m", "p")
    store.add(origin, [Row(key, 0.0, value) for key, value in zip(KEYS, values, strict=False)], 0)


def writing(folder: Path, first: int, last: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITE, str(folder), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_what_is_kept_is_found_here_and_by_others(store: Store, tmp_path: Path) -> None:
    keep(store, b"one", b"")
    with closing(Store(tmp_path / "cache")) as other:
        assert [other.get(key) for key in KEYS[:3]] == [b"one", b"", None]
        keep(other, b"two")
    assert store.get(KEYS[0]) == b"two"


def test_processes_that_make_and_fill_a_cache_together_lose_nothing(tmp_path: Path) -> None:
    writers = [writing(tmp_path / "cache", first, first + 40) for first in range(0, 160, 40)]
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0] * 4
    with closing(Store(tmp_path / "cache")) as store:
        assert all(store.get(b"%016d" % number) == b"%d" % number for number in range(160))
    with closing(sqlite3.connect(tmp_path / "cache" / FILE)) as connection:
        assert connection.execute("SELECT hits FROM origins").fetchall() == [(160,)]


def test_a_kill_loses_nothing_that_was_added(tmp_path: Path) -> None:
    with writing(tmp_path / "cache", 0, 10**6) as writer:
        assert writer.stdout
        told = [writer.stdout.readline() for _ in range(50)]
        writer.kill()
    with closing(Store(tmp_path / "cache")) as store:
        assert all(store.get(b"%016d" % int(line)) == line.strip() for line in told)
        keep(store, b"more")
        assert store.get(KEYS[0]) == b"more"


def test_with_file_locks_as_on_a_network_writers_and_readers_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "on_network", lambda folder: True)
    stores = [Store(tmp_path / "cache") for _ in range(3)]
    threads = [
        threading.Thread(target=lambda store=store, key=key: [add(store, key, number) for number in range(20)])
        for store, key in zip(stores, KEYS, strict=False)
    ]

    def add(store: Store, key: bytes, number: int) -> None:
        store.add(store.origin("b", "m", "p"), [Row(key, 0.0, b"%d" % number)], 0)
        found = store.get(key)  # nothing, where another one writes just then
        assert found in (None, b"%d" % number)

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [stores[0].get(key) for key in KEYS] == [b"19", b"19", b"19", None]
    assert not (tmp_path / "cache" / f"{FILE}-wal").exists()
    for each in stores:
        each.close()


def test_a_local_folder_is_not_on_the_network(tmp_path: Path) -> None:
    assert not on_network(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE completions SET value = (SELECT value FROM completions WHERE key = X'01010101010101010101010101010101')",
        "UPDATE completions SET value = substr(value, 1, 9)",
        "UPDATE completions SET value = X''",
        "UPDATE completions SET value = 'text'",
        "UPDATE completions SET value = zeroblob(100000000)",
    ],
    ids=["of-another-key", "cut", "empty", "no-bytes", "huge"],
)
def test_what_is_damaged_is_not_found_and_can_be_replaced(store: Store, damage: str) -> None:
    keep(store, b"right", b"other")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute(damage + " WHERE key = X'00000000000000000000000000000000'")
    assert store.get(KEYS[0]) is None
    assert store.get(KEYS[1]) == b"other"
    keep(store, b"again")
    assert store.get(KEYS[0]) == b"again"


def test_the_largest_value_is_found_again(store: Store) -> None:
    keep(store, bytes(MOST_BYTES))
    assert store.get(KEYS[0]) == bytes(MOST_BYTES)


def test_a_file_that_is_no_cache_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database " * 1000)
    with pytest.raises(SkillForgeError, match=r"is damaged or no cache .*; delete .*completions.sqlite\*"):
        Store(tmp_path)
    (tmp_path / FILE).unlink()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(SkillForgeError, match="another program's database"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_cache_of_a_later_version_is_refused(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SkillForgeError, match="its format is 99"):
        Store(tmp_path / "cache")


def test_a_folder_that_cannot_be_written_is_a_wrong_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write the cache folder .*: Not a directory; name another folder"):
        Store(tmp_path / "file" / "cache")
