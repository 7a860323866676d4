"""Answers: the model's own text out of what NeMo servers send back."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

_BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")


class Cut(NamedTuple):
    """A text up to its earliest stop string, and that string; None where it has none."""

    text: str
    stop: str | None


class Generated(NamedTuple):
    """What a model wrote after a prompt. `tokens` is how many that took; `whole` whether it ended by itself."""

    text: str
    tokens: int
    whole: bool


def cut(text: str, stops: Sequence[str]) -> Cut:
    """`text` up to the earliest of `stops`; of two that begin together the longer one counts."""
    found = [(at, -len(stop), stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return Cut(text, None)
    at, _, stop = min(found)
    return Cut(text[:at], stop)


def echo(prompt: str, sentence: str, tokens: Sequence[str]) -> str:
    """`prompt` as it stands before the answer in `sentence`, where NeMo leaves special tokens out.

    Those of the prompt are found as the ones of `tokens` that are in it and nowhere in the sentence.
    """
    if sentence.startswith(prompt):
        return prompt
    special = sorted({token for token in tokens if token in prompt and token not in sentence}, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, special)), "", prompt) if special else prompt


def generated(prompt: str, rest: str, tokens: Sequence[str], most: int) -> Generated:
    """The first `most` of the `tokens` that follow `prompt`, whose text is `rest`.

    A batch runs until its longest prompt has had `most` tokens: shorter prompts get more than they asked for, and an
    answer that has ended is filled up with end tokens, which show in `tokens` only. So tokens are counted by their bytes.
    """
    if not tokens:
        return Generated(rest, 0, whole=False)
    byte_level = any("Ġ" in token for token in tokens) and "Ġ" not in prompt + rest
    sizes = [_bytes(token, byte_level) for token in tokens]
    if tokens[0].startswith("▁") and not prompt.startswith((" ", "▁")):
        sizes[0] -= 1  # SentencePiece begins every text with a space of its own
    written = rest.encode()
    of_prompt = _needed(sizes, len(prompt.encode()))
    sizes = sizes[of_prompt:]
    needed = _needed(sizes, len(written))
    if needed < most:
        return Generated(rest, needed, whole=needed < len(sizes))
    text = written[: sum(sizes[:most])].decode(errors="ignore") if needed > most else rest
    return Generated(text, most, whole=False)


def _bytes(token: str, byte_level: bool) -> int:
    """How many bytes of text `token` stands for, in the ways of byte-level BPE and of SentencePiece."""
    if byte_level:
        return len(token)
    return 1 if _BYTE_TOKEN.fullmatch(token) else len(token.replace("▁", " ").encode("utf-8", "surrogatepass"))


def _needed(sizes: Sequence[int], size: int) -> int:
    """How many of `sizes`, from the first, it takes to reach `size`."""
    return bisect_left([0, *accumulate(sizes)], size) if size <= sum(sizes) else len(sizes)
