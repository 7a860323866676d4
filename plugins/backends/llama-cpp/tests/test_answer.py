"""The text of an answer as its bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge_llama_cpp.answer import Answer


def fed(pieces: list[bytes], *stops: str) -> tuple[Answer, str]:
    told: list[str] = []
    answer = Answer(stops, told.append)
    for piece in pieces:
        if answer.stop is None:
            answer.add(piece)
    answer.end()
    return answer, "".join(told)


@pytest.mark.parametrize(
    ("pieces", "stops", "text", "stop"),
    [
        ([b"a", b"b"], (), "ab", None),
        ([b"a#", b"#b"], ("##",), "a", "##"),
        ([b"a#", b"b"], ("##",), "a#b", None),
        ([b"a#"], ("##",), "a#", None),
        ([b"one two"], ("two", "one"), "", "one"),
        ([b"abc"], ("b", "bc"), "a", "bc"),
        (["ü".encode()[:1], "ü".encode()[1:]], (), "ü", None),
        (["ü".encode()[:1]], (), "\ufffd", None),
    ],
)
def test_it_ends_before_the_first_stop_string(
    pieces: list[bytes], stops: tuple[str, ...], text: str, stop: str | None
) -> None:
    answer, told = fed(pieces, *stops)
    assert (answer.text, answer.stop, told) == (text, stop, text)


@given(
    text=st.text(alphabet="ab#é", max_size=30),
    stops=st.lists(st.text(alphabet="ab#é", min_size=1, max_size=4), max_size=3),
)
def test_it_is_the_same_byte_by_byte(text: str, stops: list[str]) -> None:
    answer, told = fed([bytes([byte]) for byte in text.encode()], *stops)
    assert told == answer.text
    assert text.startswith(answer.text)
    assert not any(stop in answer.text for stop in stops)
    assert (answer.stop is None) == (not any(stop in text for stop in stops))
