"""Messages between a process and its child."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skillforge.child import Frames, framed


@given(st.lists(st.binary(max_size=300)), st.lists(st.integers(1, 50)))
def test_messages_arrive_whole_in_whatever_pieces_they_come(messages: list[bytes], sizes: list[int]) -> None:
    data = b"".join(map(framed, messages))
    frames, found = Frames(), []
    for size in sizes:
        found += frames.feed(data[:size])
        data = data[size:]
    assert found + frames.feed(data) == messages
