"""Answers are cut after the right token, whatever the text and however a tokenizer writes it down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skillforge_nemo_backend.answers import cut, echo, generated

_PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
_REST = [byte for byte in range(256) if byte not in _PLAIN]
_SHOWN = {byte: chr(byte) for byte in _PLAIN} | {byte: chr(256 + at) for at, byte in enumerate(_REST)}
"""How byte-level BPE writes each byte: space is Ġ."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="Ġ▁"), min_size=1, max_size=20)
SIZES = st.lists(st.integers(1, 4), min_size=80, max_size=80)


def pieces(text: bytes, sizes: list[int]) -> list[bytes]:
    found = []
    for size in sizes:
        found, text = [*found, text[:size]], text[size:]
    return [piece for piece in [*found, text] if piece]


@given(TEXTS, TEXTS, SIZES, st.integers(1, 30), st.integers(0, 3))
def test_byte_level_tokens(prompt: str, rest: str, sizes: list[int], most: int, fill: int) -> None:
    prompt = f"{prompt} "  # so that there is a Ġ
    new = pieces(rest.encode(), sizes)
    tokens = ["".join(_SHOWN[byte] for byte in piece) for piece in [*pieces(prompt.encode(), sizes), *new]]
    found = generated(prompt, rest, tokens + ["</s>"] * fill, most)
    assert found.text == b"".join(new[:most]).decode(errors="ignore")
    assert found.tokens == min(most, len(new))
    assert found.whole == (len(new) < most and fill > 0)


@given(TEXTS, TEXTS, SIZES, st.integers(1, 30), st.integers(0, 3))
def test_sentencepiece_tokens(prompt: str, rest: str, sizes: list[int], most: int, fill: int) -> None:
    prompt = f"x{prompt}"

    def spelt(text: str) -> list[str]:
        cuts = pieces(bytes(len(text)), sizes)
        ends = [sum(map(len, cuts[: number + 1])) for number in range(len(cuts))]
        return [text[end - len(piece) : end].replace(" ", "▁") for piece, end in zip(cuts, ends, strict=True)]

    new = spelt(rest)
    found = generated(prompt, rest, [*spelt(f" {prompt}"), *new, *["</s>"] * fill], most)
    assert found.text == "".join(new[:most]).replace("▁", " ")
    assert found.tokens == min(most, len(new))


def test_the_earliest_and_longest_stop_string_counts() -> None:
    assert cut("one END two", ("two", "E", "END", "")) == ("one ", "END")
    assert cut("one", ("two",)) == ("one", None)


def test_only_special_tokens_are_missed_in_the_prompt() -> None:
    prompt = "<s>a <b>c</s>"
    assert echo(prompt, "<s>a <b>c</s>d", []) == prompt
    assert echo(prompt, "a cd", ["<s>", "a", " ", "<b>", "c", "</s>", "d"]) == "a c"
    assert echo(prompt, "a cd", ["<s>", "a", "c", "</s>", "d"]) == "a <b>c"
