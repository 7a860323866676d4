"""The code in what a model wrote."""

from __future__ import annotations

import re
from typing import NamedTuple

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([\w.+-]*)[^`]*$")
_PYTHON = re.compile(r"py(thon)?[\d.]*", re.IGNORECASE)


class Writing(NamedTuple):
    """What a model wrote, as far as it may be the program."""

    texts: tuple[str, ...]
    """The likeliest last."""

    marked: bool
    """Whether the model marked them as code: one that does not compile is a wrong answer then, and not none."""


class Block(NamedTuple):
    """A fenced block: the language that it says it is in, and what it holds. The last one may have no end."""

    language: str
    code: str


def code_in(text: str, answer: str | None) -> Writing:
    """The fenced blocks marked as Python; if there are none, those without a language; else `answer`, or all of `text`."""
    before, blocks = split(text)
    python = tuple(block.code for block in blocks if _PYTHON.fullmatch(block.language))
    if python:
        return Writing(python, True)
    unnamed = tuple(block.code for block in blocks if not block.language)
    if unnamed:  # a model that goes on with a program may close a fence that the prompt has opened
        return Writing((before, *unnamed), True)
    return Writing((before,), False) if answer is None else Writing((answer,), True)


def split(text: str) -> tuple[str, list[Block]]:
    """What precedes the first fence, and the fenced blocks."""
    before: list[str] = []
    blocks: list[Block] = []
    indent = fence = ""
    language: str | None = None
    inside: list[str] = []
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if language is None:
            if found:
                indent, fence, language = found[1], found[2], found[3]
            elif not blocks:
                before.append(line)
        elif found and found[2].startswith(fence) and not line.strip(" \t\r\n`~"):
            blocks.append(Block(language, "".join(inside)))
            language, inside = None, []
        else:
            inside.append(line.removeprefix(indent))
    if language is not None:
        blocks.append(Block(language, "".join(inside)))
    return "".join(before), blocks
