"""How four channels go over one stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge_docker_sandbox.inside.wire import LARGEST_PIECE, Pieces, piece

CHANNELS = st.integers(0, 4)


@given(st.lists(st.tuples(CHANNELS, st.binary(max_size=300))), st.lists(st.integers(1, 50), min_size=1))
def test_pieces_arrive_in_order_however_the_stream_is_cut(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(piece(channel, data) for channel, data in sent)
    pieces, received = Pieces(), []
    while stream:
        for cut in cuts:
            received += pieces.feed(stream[:cut])
            stream = stream[cut:]
    assert received == sent


@pytest.mark.parametrize("head", [bytes([5, 0, 0, 0, 0]), bytes([1]) + (LARGEST_PIECE + 1).to_bytes(4, "big")])
def test_what_is_no_piece_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match="no piece"):
        list(Pieces().feed(head))
