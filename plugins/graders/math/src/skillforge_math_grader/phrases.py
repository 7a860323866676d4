"""Reads statements of the answer in prose: "the answer is x", "Answer: x", a heading "Final Answer" with x below it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from skillforge_math_grader.boxes import boxed_answer
from skillforge_math_grader.spans import BLANKS, NAME, NUMBER, Extraction, Span, has_maths, maths_spans, trimmed

_STATEMENT = re.compile(
    r"""(?<![A-Za-z])
    (?: (?i:answers?|ans)(?![A-Za-z0-9])
        (?: [\s*_]*+ [:：=] | (?<=<answer)>
          | [\s*_]*+ (?= \$ | \\[(\[] )
          | (?: [*_"',]{0,4} | [ ]\([^()\n]{0,40}\) | ,[^.:\n]{1,60}?,
              | [*_"',]{0,4}[ ](?i:after|for|here|in|of|rounded|that|then|therefore|thus|to|we|when)\b[^.:\n]{0,80}? )
            \s[*_]*+ (?i:is|are|was|equals|becomes|remains|(?:can|has|must|should|will|would)\s(?:\w++\s)?(?:to\s)?be)\b
          | (?P<heading>[ \t\r*_]*+\n) )
      | A: )""",
    re.VERBOSE,
)
_BEFORE_HEADING = re.compile(r"[\s#*_>]*+(?:(?:the|my|our)\s++)?(?:(?:final|correct)\s++)?[*_]*+", re.IGNORECASE)
_LEAD = re.compile(
    r"""(?: [\s*_:>`"“] | (?<=\n)[-+•]\s | [b-hj-z]\ is\b
      | (?: about | actually | again | also | approximately | around | as\ follows | clearly | equal\ to | exactly
        | found\ to\ be | given\ by | hence | indeed | just | now | only | roughly | simply | so | the\ following | then
        | therefore | thus )\b,?+ )*+""",
    re.VERBOSE | re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"""(?: (?: not(?!\ (?:defined|enough|possible|real)\b) | no\ longer | unclear | uncertain | unsure
          | in\ (?:our|terms|the|this) | based | calculated | computed | derived | determined | expected | expressed | found
          | likely | obtained | required | shown | supposed | verified | what | written )\b
      | (?: above | ambiguous | below | correct | here | incorrect | invalid | missing | obvious | ready | right | valid
          | wrong ) (?=\s*+(?:[.,;:!?]|\Z|(?:and|as|because|but|for|if|since|so|when)\b)) )""",
    re.VERBOSE | re.IGNORECASE,
)
_STOP = re.compile(r"[.!?。](?=[*_\"'”’)\]`]*+(?:\s|\Z))")
_ABBREVIATION = re.compile(
    r"(?:\b[a-z]\.[a-z]|\b(?:approx|cu|ft|hrs?|in|lbs?|min|no|oz|sec|sq|st|vs|yds?))\Z", re.IGNORECASE
)
_NEXT_SENTENCE = re.compile(r"[\s*_\"'”’)\]`]*+(?:[A-Z]|\Z)")
_CLAUSE_END = re.compile(
    r"""[,;]?\s{1,9}\(?(?:as|because|hence|not|rather\ than|since|so\ that|therefore|thus)\b
      | [,;]\s{1,9} (?:and\ (?:hence|so|therefore|thus)|but|so|that|this|which)\b
      | ,?\s{1,9} and\ (?:it|my|our|that|the|this|we)\b
      | \s{1,9} (?:—|--)\s
      | </answer>""",
    re.VERBOSE,
)
_WHICH_IS = re.compile(r",? which (?:is|equals|gives|=)[\s:*]*+(?=[^A-Za-z\s])")
_JOINT = re.compile(r"(?:[\s,;]|(?:and|or)\b)*+")
_SYMBOLIC = re.compile(r"(?![aAI]\s[A-Za-z]{2})(?:[^\w\s]|[0-9_]|[A-Za-z](?![A-Za-z])|[A-Za-z]{1,3}\s*+[=(])")
_RANGE = re.compile(r"\b(?:all|between|every|except|multiples?|than|at (?:least|most))\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{2,}")
_UNIT = re.compile(
    r"\\?%|(?!\s++(?:at|for|from|if|in|is|of|on|only|total|when|where|with)\b)"
    r"(?:\s*+\\?%)?+(?:\s++[A-Za-z°][A-Za-z/°^0-9.]*+){1,3}"
)
_SCALE = re.compile(r" (?:hundred|thousand|million|billion|trillion|dozen)\b")
_BOLD = re.compile(r"\*\*([^*\n]++)\*\*")
_BRACKET = re.compile(r"[(\[\]]")
_BOX = re.compile(r"\\(?:boxed|fbox)")
_BOX_RULES = frozenset(["boxed", "boxed list"])
_MARKS = BLANKS + "*_\"'“”‘’`,;:"
_NEEDLES = {"nswer": -1, "NSWER": -1, "Ans:": 0, "ANS:": 0, "\nA:": 1}  # and where the statement starts from there
_OPTION_BELOW = re.compile(r"[^\n]*+\n\s*+B[:.)]")
_PROSE_WORDS = 7
"""A statement that goes on in as many words is no answer itself, though it may hold one."""


_IS = re.compile(r"\b(?:is|are|equals?|be|of)\b|=")


def answer_phrase(text: str, kind: str) -> Extraction | None:
    """The answer in the last statement that gives one of this kind."""
    limit = len(text)
    for at in statements(text):
        statement = _STATEMENT.match(text, at, limit)
        if (
            statement is None
            or (statement["heading"] and not _is_heading(text, at))
            or (statement[0] == "A:" and _OPTION_BELOW.match(text, at))
        ):
            continue
        found = _read(text, statement.end(), limit, kind)
        if found:
            return found
        limit = at  # an earlier answer ends before it, and no text is read twice
    return None


def statements(text: str) -> Iterator[int]:
    """Where `answer`, `Ans` and a line `A:` start, the last one first."""
    last = {needle: at for needle in _NEEDLES if (at := text.rfind(needle)) >= 0}
    while last:
        needle = max(last, key=last.__getitem__)
        at = last[needle]
        yield at + _NEEDLES[needle]
        last[needle] = text.rfind(needle, 0, at)
        if last[needle] < 0:
            del last[needle]
    if text.startswith("A:"):
        yield 0


def _is_heading(text: str, at: int) -> bool:
    return _BEFORE_HEADING.fullmatch(text, text.rfind("\n", 0, at) + 1, at) is not None


def _read(text: str, start: int, limit: int, kind: str) -> Extraction | None:
    """The answer in the statement that goes on at `start`."""
    lead = _LEAD.match(text, start, limit)
    start = lead.end() if lead else start
    if _NO_ANSWER.match(text, start, limit):
        return None
    display = {"$$": "$$", "\\[": "\\]"}.get(text[start : start + 2])
    if display:
        end = text.find(display, start + 2, limit)
        return _answer(text, start + 2, end, kind) if end >= 0 else None
    line_end = text.find("\n", start, limit)
    end = limit if line_end < 0 else line_end
    spans = maths_spans(text, start, end) if has_maths(text[start:end]) else []
    end = _sentence_end(text, start, end, spans)
    if not _SYMBOLIC.match(text, start, end):
        which = next(_outside(spans, _WHICH_IS, text, start, end), None)
        start = which.end() if which else start
    clause = next(_outside(spans, _CLAUSE_END, text, start + 1, end), None)
    end = clause.start() if clause else end
    bold = text.find("**", start, end)
    if bold >= 0 and text.count("**", start, end) % 2:
        end = bold
    return _answer(text, *(_part(text, start, end, spans, kind) or (start, start)), kind)


def _part(text: str, start: int, end: int, spans: list[Span], kind: str) -> tuple[int, int] | None:
    """What of the clause from `start` to `end` is the answer: its maths, its number, or all of it; None for mere prose."""
    spans = [span for span in spans if start <= span.start and span.end <= end]
    symbolic = _SYMBOLIC.match(text, start, end) is not None
    if spans and (spans[0].start == start or not (symbolic or kind == "text")):
        named = all(NAME.fullmatch(text, *span.inner) for span in spans)  # "the largest $n$ is 34"
        number = NUMBER.search(text, spans[-1].end, end) if named and spans[0].start > start else None
        if number is None or not _IS.search(text, spans[-1].end, number.start()):
            return _maths_part(text, start, end, spans)
    if kind == "text" or (symbolic and kind == "math"):
        return start, end
    bold = list(_BOLD.finditer(text, start, end))
    if len(bold) == 1:
        return bold[0].span(1)
    words = sum(1 for _ in _WORD.finditer(text, start, end))
    numbers = list(NUMBER.finditer(text, start, end))
    if len(numbers) == 1 and (kind == "number" or (words > 2 and not _RANGE.search(text, start, end))):
        scale = _SCALE.match(text, numbers[0].end(), end)
        return numbers[0].start(), scale.end() if scale else numbers[0].end()
    whole = words < _PROSE_WORDS and (symbolic or len(numbers) < 2 or _RANGE.search(text, start, end))
    return (start, end) if whole else None


def _maths_part(text: str, start: int, end: int, spans: list[Span]) -> tuple[int, int]:
    """The maths that the clause starts with, else its last, with all that only commas, `and` or `or` part from it."""
    step = 1 if spans[0].start == start else -1
    spans = spans[::step]
    count = 1
    while count < len(spans):
        left, right = sorted(spans[count - 1 : count + 1])
        if not _JOINT.fullmatch(text, left.end, right.start):
            break
        count += 1
    first, last = sorted((spans[0], spans[count - 1]))
    if _UNIT.fullmatch(text, last.end, end):
        return first.start, end
    return first.inner if count == 1 else (first.start, last.end)


def _answer(text: str, start: int, end: int, kind: str) -> Extraction | None:
    closers = ".)" if _BRACKET.search(text, start, end) is None else "."
    start, end = trimmed(text, start, end, _MARKS, _MARKS + closers)
    if _BOX.search(text, start, end):
        box = boxed_answer(text[start:end], _BOX_RULES)
        return box and Extraction(box.answer, "answer phrase", (start + box.span[0], start + box.span[1]))
    if (
        start == end
        or not text[start:end].strip("$()[]\\ ")
        or (kind == "number" and not any(map(str.isdigit, text[start:end])))
    ):
        return None
    return Extraction(text[start:end], "answer phrase", (start, end))


def _outside(spans: list[Span], pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """The matches of `pattern` that do not start in maths."""
    for found in pattern.finditer(text, start, end):
        before = bisect_right(spans, found.start(), key=lambda span: span.start)
        if not before or spans[before - 1].end <= found.start():
            yield found


def _sentence_end(text: str, start: int, end: int, spans: list[Span]) -> int:
    """Where the sentence ends: not at the full stop of an abbreviation, nor at the sign of a factorial."""
    for stop in _outside(spans, _STOP, text, start, end):
        at = stop.start()
        if stop[0] == "!" and text[at - 1] in "0123456789)":
            continue
        abbreviated = stop[0] == "." and _ABBREVIATION.search(text, max(start, at - 7), at)
        if not abbreviated or _NEXT_SENTENCE.match(text, at + 1, end):
            return at
    return end
