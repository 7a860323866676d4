"""Text from outside: what reaches a terminal or a file."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge.text import closest, one_line, printable, storable

ANY_TEXT = st.text(st.characters(), max_size=200)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ∑ 日本 é", "plain ∑ 日本 é"),
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten", "over\\rwritten"),
        ("back\x08space", "back\\x08space"),
        ("nul\x00", "nul\\x00"),
        ("c1\x9bm", "c1\\x9bm"),
        ("bidi\u202egnp.exe", "bidi\\u202egnp.exe"),
        ("isolate\u2066x\u2069", "isolate\\u2066x\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("half\ud800", "half\\ud800"),
    ],
)
def test_nothing_can_steer_the_terminal(raw: str, shown: str) -> None:
    assert printable(raw) == shown


@given(ANY_TEXT)
def test_shown_text_is_printable_and_can_be_written(text: str) -> None:
    shown = printable(text)
    assert all(char == "\n" or char.isprintable() for char in shown)
    shown.encode("utf-8")
    assert "\n" not in one_line(text)


@given(ANY_TEXT, st.integers(0, 20))
def test_long_text_is_cut_and_says_so(text: str, limit: int) -> None:
    if len(text) > limit:
        assert printable(text, limit).endswith(f"… ({len(text) - limit} more characters)")
    else:
        assert "more characters" not in printable(text, limit)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("gsm8", ["gsm8k", "math"], "did you mean 'gsm8k'?"),
        ("tset", ["test", "train"], "did you mean 'test'?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("zzz", [], "known: none"),
        ("zzz", [f"{n:03}" for n in range(1000)], ", 029, … (970 more)"),
    ],
)
def test_the_closest_names_are_told(name: str, known: list[str], hint: str) -> None:
    assert closest(name, known).endswith(hint)


@given(
    st.recursive(ANY_TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner))
)
def test_storable_data_can_be_stored(value: object) -> None:
    kept = storable(value)
    assert msgspec.json.decode(msgspec.json.encode(kept)) == kept


def test_storable_replaces_halves_only() -> None:
    assert storable("é∑😀\x00") == "é∑😀\x00"
    assert storable("a\ud800b") == "a\ufffdb"
    assert storable(["\udc00", {"x": "\ud800"}, 1, None]) == ["\ufffd", {"x": "\ufffd"}, 1, None]
