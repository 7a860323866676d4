"""Finds the final answer in a model's text, in time linear in its length."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from skillforge_math_grader.boxes import boxed_answer
from skillforge_math_grader.choices import choice_statement, letter_in, lone_letter, stated_letter
from skillforge_math_grader.phrases import answer_phrase
from skillforge_math_grader.spans import (
    BLANKS,
    NAME,
    NUMBER,
    Extraction,
    Span,
    found_at,
    has_maths,
    last_number,
    maths_spans,
    trimmed,
)

__all__ = ["MAX_READ", "RULES", "Extraction", "Kind", "extract"]

MAX_READ = 100_000
"""Characters that are read, from the end of the text: a final answer stands last."""

Kind = Literal["math", "number", "choice", "text"]
"""What the answer is: a mathematical object, one number, the letter of an option, or words."""

RULES = (
    "boxed list",
    "boxed",
    "earlier box",
    "unclosed box",
    "####",
    "answer phrase",
    "choice statement",
    "lone letter",
    "last maths",
    "last number",
)
"""The names of all rules, the most trusted first."""

_ENDS_OF_TURN = ("<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>")
"""What follows one is no longer the answer, but a turn that the model went on to imagine."""

_STATED = RULES[:6]
_DEFAULT_RULES: dict[str, frozenset[str]] = {
    "math": frozenset((*_STATED, "last maths", "last number")),
    "number": frozenset((*_STATED, "last number")),
    "choice": frozenset((*_STATED, "choice statement", "lone letter")),
    "text": frozenset(_STATED),
}
_BOX_RULES = frozenset(RULES[:4])

_HASHES = re.compile(r"(?<!#)####(?!#)([^\n]*+)")
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2}")
_NUMBER_WITH_UNIT = re.compile(r"[\s*$€£+−-]*+[0-9][0-9.,/]*+(?<![.,])%?+(?:\s++[a-z]{1,12}){0,3}+[\s*.]*+")
_COUNTED = re.compile(r"[\s*]*+(?:[0-9]++[.)]|(?:answer|case|conclusion|final|part|solution|step)\b)", re.IGNORECASE)
_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s*+(?:\{\s*+\}?)?")

_NEXT_QUESTION = re.compile(r"\n[ \t]*+(?:Q|Question|Problem|Exercise) ?\d{0,3} ?[:.]")
"""Where a model that has answered goes on with a question of its own."""

_STATEMENTS = frozenset(["boxed list", "boxed", "####", "answer phrase", "choice statement"])
_JOINED = re.compile(r"\s*(?:,|;)?\s*(?:\b(?:and|or)\b)?\s*")
_ARE = re.compile(r"\bare:?\s*$")
_ASSIGNED = re.compile(r"([A-Za-z])(?:_\{?\w+\}?)?\s*=[^=]*$")


def extract(text: str, kind: Kind = "math", rules: Sequence[str] | None = None) -> Extraction | None:
    """The final answer in `text`, by the most trusted of `rules` that finds one. Raises ValueError for an unknown rule.

    Private reasoning does not count: reading starts after the last `</think>` and ends at a `<think>` that is never
    closed, or at the end of a turn (`<|im_end|>`); after an answer that is
    stated, also at a next question (`Q: ...`). Of what is left, the last `MAX_READ` characters are read. The rules,
    the most trusted first:

    - `boxed list`: the last boxes (`\\boxed`, `\\fbox`, `\\framebox`) if only commas, `and`, `or` and blanks part them;
      the answer lists their contents, the span reaches from the first to the last
    - `boxed`: the last box that is not blank. A unit directly after it (`\\boxed{12}\\text{ cm}`) belongs to the answer,
      and the span then holds the closing brace too
    - `earlier box`: the last closed box, where a later one that is cut off starts to repeat it or breaks off in a formula
    - `unclosed box`: the last box if it is never closed, to the end of its maths or line
    - `####`: the last `#### x` that is not a Markdown heading
    - `answer phrase`: the last "answer is x", "answer: x", line "A: x" or heading "Answer" with x below it
    - `choice statement`: "option B is correct", "the correct choice is B"
    - `lone letter`: a letter that is all of the last line
    - `last maths`: the content of the last maths span that is more than a name; a name if no number follows it
    - `last number`: the last number in running text

    `kind` tells how the answer is read, and by which rules if `rules` is None:

    - `math`: all but `choice statement` and `lone letter`
    - `number`: as `math` but for `last maths`; an answer in a phrase must hold a number
    - `choice`: all but `last maths` and `last number`; the answer is the letter alone, A to J, in upper case
    - `text`: boxes, `####` and `answer phrase`
    """
    allowed = _DEFAULT_RULES[kind] if rules is None else frozenset(rules)
    if not allowed.issubset(RULES):
        raise ValueError(f"unknown rule {min(allowed.difference(RULES))!r}; known are {', '.join(RULES)}")
    start = text.rfind("</think>")
    start = 0 if start < 0 else start + len("</think>")
    end = text.find("<think>", start)
    end = len(text) if end < 0 else end
    end = min((at for mark in _ENDS_OF_TURN if (at := text.find(mark, start, end)) >= 0), default=end)
    start = max(start, end - MAX_READ)
    read = text[start:end]
    asked = _NEXT_QUESTION.search(read)
    stated = _first(read[: asked.start()], kind, allowed & _STATEMENTS) if asked else None
    found = stated or _first(read, kind, allowed)
    if found is None:
        return None
    first, last = found.span
    return Extraction(found.answer, found.rule, (start + first, start + last))


def _first(text: str, kind: Kind, allowed: frozenset[str]) -> Extraction | None:
    finders = (find for names, find in _FINDERS if not allowed.isdisjoint(names))
    return next((found for find in finders if (found := find(text, kind, allowed))), None)


def _boxed(text: str, kind: str, rules: frozenset[str]) -> Extraction | None:
    found = boxed_answer(text, rules)
    if found and kind == "choice":
        return None if found.rule == "boxed list" else letter_in(text, found)
    return found


def _hashes(text: str, kind: str, rules: frozenset[str]) -> Extraction | None:
    at = text_end = len(text.rstrip())
    while (limit := at) and (at := text.rfind("####", 0, limit)) >= 0:
        line = _HASHES.match(text, at, limit)
        if line is None or _is_heading(line[1], kind, is_last=line.end() == text_end):
            continue
        found = found_at(text, *trimmed(text, *line.span(1), BLANKS + "*", BLANKS + "*."), "####")
        if found and kind == "choice":
            found = letter_in(text, found)
        if found:
            return found
    return None


def _is_heading(content: str, kind: str, is_last: bool) -> bool:
    """Whether `#### content` is a Markdown heading: prose that other lines follow, or that counts steps."""
    if not _PROSE.search(content) or _NUMBER_WITH_UNIT.fullmatch(content):
        return False
    return not is_last or kind == "number" or _COUNTED.match(content) is not None


def _phrase(text: str, kind: str, rules: frozenset[str]) -> Extraction | None:
    return stated_letter(text) if kind == "choice" else answer_phrase(text, kind)


def _last_maths(text: str, kind: str, rules: frozenset[str]) -> Extraction | None:
    spans = maths_spans(text, 0, len(text)) if has_maths(text) else []
    if not spans or (NAME.fullmatch(text, *spans[-1].inner) and NUMBER.search(text, spans[-1].end)):
        return None
    named = None
    for span in reversed(spans):
        found = found_at(text, *trimmed(text, *span.inner, right=BLANKS + ".,;"), "last maths")
        if found is None or _EMPTY_BOX.fullmatch(found.answer):
            continue
        if kind == "choice":
            return letter_in(text, found)
        if not NAME.fullmatch(found.answer):
            return _with_those_before(text, spans[: spans.index(span) + 1], found)
        named = named or found
    return named


def _with_those_before(text: str, spans: list[Span], last: Extraction) -> Extraction:
    """Values that only commas, "and" and "or" part are one answer: "$x=1$ and $x=2$", "the roots are $1$ and $2$"."""
    first = len(spans) - 1
    while first and _JOINED.fullmatch(text, spans[first - 1].end, spans[first].start):
        first -= 1
    answers = [text[slice(*span.inner)].strip() for span in spans[first:]]
    said_of_all = _ARE.search(text, max(0, spans[first].start - 40), spans[first].start)
    names = {found[1] if (found := _ASSIGNED.match(answer)) else None for answer in answers}
    if len(answers) == 1 or not (said_of_all or (len(names) == 1 and None not in names)):
        return last
    return Extraction(", ".join(answers), last.rule, (spans[first].inner[0], last.span[1]))


def _last_number(text: str, kind: str, rules: frozenset[str]) -> Extraction | None:
    last = last_number(text)
    return found_at(text, *last.span(), "last number") if last and kind != "choice" else None


_FINDERS: tuple[tuple[frozenset[str], Callable[[str, str, frozenset[str]], Extraction | None]], ...] = (
    (_BOX_RULES, _boxed),
    (frozenset(["####"]), _hashes),
    (frozenset(["answer phrase"]), _phrase),
    (frozenset(["choice statement"]), lambda text, kind, rules: choice_statement(text)),
    (frozenset(["lone letter"]), lambda text, kind, rules: lone_letter(text)),
    (frozenset(["last maths"]), _last_maths),
    (frozenset(["last number"]), _last_number),
)
