"""Reads `\\boxed{}`, `\\fbox{}` and `\\framebox{}`, in one pass over the text."""

from __future__ import annotations

import re
from typing import NamedTuple

from skillforge_math_grader.spans import BLANKS, Extraction, trimmed

_NAMES = ("boxed", "fbox", "framebox", "\x08oxed{", "\x0cbox{")
# A backslash may be doubled, or may have been read as an escape together with the letter after it.
_TOKEN = re.compile(
    r"(?P<box>\\?\\(?:boxed|fbox|framebox)(?![A-Za-z])(?:\[[^\]\n]{0,40}\]){0,2}\s*+|(?:\x08oxed|\x0cbox)(?=\{))"
    r"(?P<brace>\{)?|\\.|[{}]",
    re.DOTALL,
)
_GROUP = r"\{(?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+\}"
_BARE = re.compile(
    rf"""[-−]?(?:
        \$?[0-9]++(?:[.,][0-9]++)*+
      | \\[dtc]?frac(?:\s*+(?:{_GROUP}|[0-9A-Za-z])){{2}}
      | \\sqrt(?:\[[^\]\n]*+\])?\s*+(?:{_GROUP}|[0-9A-Za-z])
      | \\(?!(?:left|right|begin|end|q?quad|[df]?box(?:ed)?)(?![A-Za-z]))[A-Za-z]++(?:\s*+{_GROUP}){{0,2}}
      | [A-Za-z](?=\s*+(?:\$|\\[)\]]|\.?\s*+\Z))
    )""",
    re.VERBOSE,
)
_MAX_BARE = 300
_BLANK = re.compile(r"(?:[\s.?…~]|\\(?:[,;:! ]|l?dots|cdots|q?quad|(?:h?phantom|text|underline)\s*+\{[\s_?.]*+\}))*+")
_UNIT = re.compile(
    r"""\\?%
      | \s*+\^\s*+(?:\\circ(?![A-Za-z])|\{\s*+\\circ\s*+\}) (?:\s*+(?:[CF](?![A-Za-z])|\\(?:text|mathrm)\{\s*+[CF]\s*+\}))?
      | (?:[ ~]|\\[,;:\ ])*+ \\(?:text(?:rm)?|mathrm|mbox)\s*+\{[\s~]*+
        (?!(?:and|as|at|because|for|if|in|is|less|more|of|or|since|so|to|when|where)\b)
        [A-Za-z°][A-Za-z./°]*+(?:[ ~-][A-Za-z./°]++){0,2}[\s~]*+\} (?:\s*+\^(?:\{\s*+-?[1-4]\s*+\}|[1-4]))?""",
    re.VERBOSE,
)
_MAX_UNIT = 80
_JOINT = re.compile(
    r"(?:[\s$*~&,;]|\\[,;: ()\[\]]|\\q?quad(?![A-Za-z])|(?:and|or)(?![A-Za-z])"
    r"|\\(?:text|mbox)\s*+\{[\s,]*+(?:and|or)?[\s,]*+\})*+"
)
_MAX_JOINT = 60
_SEPARATOR = re.compile(r"[,;]|and|or")
_CUT_END = re.compile(r"\n|\$|\\[)\]]|```")
_INCOMPLETE = re.compile(r"[-+*/^_=<>(,\\]\s*+\Z|\\[A-Za-z]++\Z")


class Box(NamedTuple):
    """Where a box stands, from its macro to its end, and its content without the blanks around it."""

    start: int
    end: int
    inner_start: int
    inner_end: int


class Boxes(NamedTuple):
    """The closed boxes of a text that are not blank, in order of their starts; the last box if it is never closed."""

    closed: list[Box]
    cut: Box | None


def find_boxes(text: str) -> Boxes:
    """All boxes of `text`, also those without braces: `\\boxed 5`, `\\boxed\\frac12`."""
    first = min((at for at in map(text.find, _NAMES) if at >= 0), default=None)
    if first is None:
        return Boxes([], None)
    closed: list[Box] = []
    opened: list[tuple[int, int]] = []  # for each open brace, where its box and its content start; -1, -1 without a box
    for token in _TOKEN.finditer(text, max(0, first - 2)):
        if token["brace"]:
            opened.append((token.start(), token.end()))
        elif token["box"]:
            bare = _BARE.match(text, token.end(), token.end() + _MAX_BARE)
            if bare:
                closed.append(Box(token.start(), bare.end(), *bare.span()))
        elif token[0] == "{":
            opened.append((-1, -1))
        elif token[0] == "}" and opened:
            start, inner = opened.pop()
            if start >= 0 and not _BLANK.fullmatch(text, inner, token.start()):
                closed.append(Box(start, token.end(), *trimmed(text, inner, token.start())))
    closed.sort()
    cut = next((box for box in reversed(opened) if box[0] >= 0), None)
    if cut is None or (closed and closed[-1].start > cut[0]):
        return Boxes(closed, None)
    return Boxes(closed, _cut_box(text, *cut))


def boxed_answer(text: str, rules: frozenset[str]) -> Extraction | None:
    """The content of the last box, or what stands in its place, by those of the rules for boxes that are in `rules`."""
    closed, cut = find_boxes(text)
    if cut and "unclosed box" in rules:
        content = text[cut.inner_start : cut.inner_end]
        if not closed or not _is_start_of(content, text[closed[-1].inner_start : closed[-1].inner_end]):
            return Extraction(content, "unclosed box", (cut.inner_start, cut.inner_end))
        if "earlier box" in rules:
            return _with_unit(text, closed[-1])._replace(rule="earlier box")
    if closed and "boxed list" in rules:
        answers = _joined(text, closed)
        if len({found.answer for found in answers}) > 1:
            answer = ", ".join(found.answer for found in answers)
            return Extraction(answer, "boxed list", (answers[0].span[0], answers[-1].span[1]))
    return _with_unit(text, closed[-1]) if closed and "boxed" in rules else None


def _cut_box(text: str, start: int, inner: int) -> Box | None:
    """A box that is never closed, up to the end of its maths or line; None if nothing stands in it."""
    while inner < len(text) and text[inner].isspace():
        inner += 1
    end = _CUT_END.search(text, inner + 1)
    inner_start, inner_end = trimmed(text, inner, end.start() if end else len(text), right=BLANKS + ".")
    if _BLANK.fullmatch(text, inner_start, inner_end):
        return None
    return Box(start, inner_end, inner_start, inner_end)


def _is_start_of(content: str, earlier: str) -> bool:
    """Whether a box that is cut off repeats an earlier one, or breaks off too soon to tell."""
    return (
        earlier.startswith(content)
        or earlier.rpartition("=")[2].lstrip().startswith(content)
        or content.count("{") != content.count("}")
        or _INCOMPLETE.search(content) is not None
    )


def _joined(text: str, boxes: list[Box]) -> list[Extraction]:
    """The last box and those before it that only commas, `and`, `or` and blanks part from it."""
    answers = [_with_unit(text, boxes[-1])]
    later = boxes[-1]
    for box in reversed(boxes[:-1]):
        if box.end > later.start:
            continue  # a box around the later one
        found = _with_unit(text, box)
        between = text[max(box.end, found.span[1]) : later.start]
        if len(between) > _MAX_JOINT or not _JOINT.fullmatch(between):
            break
        if "\n" in between and not _SEPARATOR.search(between):
            break
        answers.append(found)
        later = box
    return answers[::-1]


def _with_unit(text: str, box: Box) -> Extraction:
    """The content of the box and the unit that stands directly after it."""
    unit = _UNIT.match(text, box.end, box.end + _MAX_UNIT)
    answer = text[box.inner_start : box.inner_end]
    if unit is None:
        return Extraction(answer, "boxed", (box.inner_start, box.inner_end))
    return Extraction(answer + unit[0].rstrip(), "boxed", (box.inner_start, unit.end()))
