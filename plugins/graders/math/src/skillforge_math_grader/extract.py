"""Finds the final answer in a model's text, in time linear in its length."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from skillforge_math_grader.normal import normalise
from skillforge_math_grader.numbers import parse_number

MAX_READ = 100_000
"""Characters that are read, from the end of the text: a final answer stands last."""

_TOKEN = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*+\{)|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"(?<!#)####(?!#)([^\n]*+)")
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2}")
_PHRASE = re.compile(r"(?i:\banswer\b)[\s*]*+(?i:is\b|:|=)|^A:", re.MULTILINE)
_PHRASE_ANSWER = re.compile(r"(?:[\s:*]|\$\$\s|\\\[\s)*+([^\n]*+)")
_SENTENCE_END = re.compile(r"\.(?=\s|$)")
_NUMBER = re.compile(
    r"(?:(?<![\w.,)\]}])[-−])?(?<![\w.])[$€£]?(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++|(?=\.[0-9]))(?:\.[0-9]++)?"
    r"(?:/[0-9]++)?%?"
)


class Extraction(NamedTuple):
    """The final answer, the rule that found it, and where it stands in the text (start, end)."""

    answer: str
    rule: str
    span: tuple[int, int]


def extract(text: str) -> Extraction | None:
    """The final answer in `text`, by the first rule that finds one.

    The rules: the last balanced `\\boxed{}` or `\\fbox{}`, or else an unclosed one; the last `#### x` that is not a heading;
    the last "answer is x", "answer: x" or line "A: x"; the last number. Private reasoning does not count: reading starts
    after the last `</think>` and ends at a `<think>` that is never closed.
    """
    start = text.rfind("</think>")
    start = 0 if start < 0 else start + len("</think>")
    end = text.find("<think>", start)
    end = len(text) if end < 0 else end
    start = max(start, end - MAX_READ)
    read = text[start:end]
    for rule in (_boxed, _hashes, _phrase, _last_number):
        found = rule(read)
        if found:
            (first, last) = found.span
            return found._replace(span=(start + first, start + last))
    return None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    matches = deque(pattern.finditer(text), maxlen=1)
    return matches[0] if matches else None


def _found(text: str, start: int, end: int, rule: str) -> Extraction | None:
    """The answer between `start` and `end` without blanks and bold marks around it, if anything is left."""
    answer = text[start:end].strip().strip("*").strip()
    start = text.index(answer, start)
    return Extraction(answer, rule, (start, start + len(answer))) if answer else None


def _boxed(text: str) -> Extraction | None:
    first = min((at for at in (text.find("\\boxed"), text.find("\\fbox")) if at >= 0), default=None)
    if first is None:
        return None
    best: Extraction | None = None
    opened: list[int] = []  # where the content of each open brace starts if it is a box, else -1
    for token in _TOKEN.finditer(text, first):
        if token["box"]:
            opened.append(token.end())
        elif token[0] == "{":
            opened.append(-1)
        elif token[0] == "}" and opened:
            start = opened.pop()
            if start >= 0 and (best is None or start > best.span[0]):
                best = _found(text, start, token.start(), "boxed") or best  # models quote the empty \boxed{}
    boxes = [start for start in opened if start >= 0]
    if best or not boxes:
        return best
    line_end = text.find("\n", boxes[-1])
    return _found(text, boxes[-1], len(text) if line_end < 0 else line_end, "unclosed box")


def _hashes(text: str) -> Extraction | None:
    if "####" not in text:
        return None
    for found in reversed(list(_HASHES.finditer(text))):
        # "#### Step 2" is a Markdown heading.
        if _PROSE.search(found[1]) and not parse_number(normalise(found[1][:200])):
            continue
        answer = _found(text, *found.span(1), "####")
        if answer:
            return answer
    return None


def _phrase(text: str) -> Extraction | None:
    last = _last(_PHRASE, text)
    if last is None:
        return None
    found = _PHRASE_ANSWER.match(text, last.end())
    assert found is not None  # it matches the empty text
    start, end = found.span(1)
    sentence = _SENTENCE_END.search(text, start, end)
    return _found(text, start, sentence.start() if sentence else end, "answer phrase")


def _last_number(text: str) -> Extraction | None:
    last = _last(_NUMBER, text)
    return _found(text, *last.span(), "last number") if last else None
