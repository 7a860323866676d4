"""Reads the letter of a multiple-choice answer, A to J, from statements of it only: `\\Delta E` and "A train" name none."""

from __future__ import annotations

import re

from skillforge_math_grader.phrases import statements
from skillforge_math_grader.spans import Extraction

_DRESS = r"(?:[\s*_$\"'“‘`{]|\\[(\[]|\\(?:boxed|fbox|text[a-z]{0,6}|math(?:rm|bf|sf)|bf|rm)(?![A-Za-z]))*+"
_UNDRESS = r"(?:[*_$\"'”’`}\])]|\\[)\]])*+"
_BRACKETED = r"[(\[]\s*+[*_]*+(?P<bracketed>[A-Ja-j])[*_]*+\s*+[)\]]"
_NO_SYMBOL = r"(?![\w'’^(]|\\[A-Za-z])"
_LETTER = rf"(?:{_BRACKETED}|(?P<bare>[A-J]){_NO_SYMBOL})"
_NOUN = r"(?i:answer|choice|letter|option)\b"
_IS = r"(?i:is|(?:must|should|will|would)\ be)\b"
_BEST = r"(?i:best|correct|right)"

_STATED = re.compile(
    rf"""(?<![A-Za-z]) (?i:answers?|ans)\b
    (?: [\s*_:：=,–—>-]++ | \.(?=[(\[A-J]) | \(?{_NOUN} | {_IS}
      | (?i:are|clearly|correct|final|hence|indeed|probably|the|then|therefore|thus|to\ (?:the|this)\ question)\b ){{0,12}}+
    (?: (?P<hedge>(?i:between|either|one\ of)\b) | {_DRESS}{_LETTER} )""",
    re.VERBOSE,
)
_CALLED_CORRECT = re.compile(
    rf"""(?<![\w\\^]) {_LETTER}{_UNDRESS} \s++{_IS}\s++
    (?: (?i:the\s++(?:only\s++)?)(?:{_BEST}\s++)?{_NOUN} | {_BEST}\s++{_NOUN}
      | (?i:correct)(?=[.,;:!*]|\s*+(?:\n|\Z)|\s(?:as|because|since)\b) )""",
    re.VERBOSE,
)
_CHOSEN = re.compile(
    rf"""\b(?: {_BEST}\s++{_NOUN}[\s*_:=]*+(?:{_IS}[\s:]*+)? | (?i:choice|option)\s++(?i:is)\b\s*+
      | (?i:choose|chose|go\ with|pick|select)\s++(?i:the\ )?(?:{_NOUN}\s++|(?=[(\[])) )
    (?:{_NOUN}\s++)?+{_DRESS}{_LETTER}""",
    re.VERBOSE,
)
_SUPPOSED = re.compile(rf"\b(?i:assum\w*|if|suppos\w*|whether)\s++(?i:that\s++)?(?:{_NOUN}\s++)?\Z")
_LINE = re.compile(
    rf"[\s>#-]*+{_DRESS}(?:(?:(?i:ans|final|hence|is|so|the|therefore|thus)\b|{_BEST}\b|{_NOUN})[\s,:.*=-]*+)*+"
    rf"{_DRESS}{_LETTER}{_UNDRESS}[.):]?+{_UNDRESS}\s*+\Z"
)
_LABEL = re.compile(rf"{_DRESS}(?:{_BRACKETED}|(?P<bare>[A-J])[.):]){_UNDRESS}\s")
_CONTENT = re.compile(
    rf"{_DRESS}(?:(?i:the\s++)?(?:{_BEST}\s++)?{_NOUN}[\s:]*+(?:(?i:is)\b\s*+)?)?+{_DRESS}(?:{_BRACKETED}"
    rf"|(?P<bare>[A-Ja-j])(?={_NO_SYMBOL}{_UNDRESS}(?:[.:]?\s*+\Z|[.:)]\s|\s*+[-–]\s(?![0-9]))))"
)
_HEDGE = re.compile(
    rf"""{_UNDRESS}[\s.]*+
    (?: (?i:and|nor|or)\b | [/&]
      | , (?=[\s*_$"'(\[{{]*+ [A-J] [*_$"'}})\]]*+ (?:\s*+(?:[,;&.\n]|\Z) | \s++(?:and|or)\b)) )
    \s*+ (?:{_NOUN}\s++)?+ [*_$"'(\[{{]*+ [A-Ja-j](?!\w)""",
    re.VERBOSE,
)
_JUDGED = re.compile(
    rf"{_UNDRESS}\s++(?i:(?:can|could|did|do|does|may|might|was|would)(?:n['’]t|not)?|is(?:n['’]t)?)\b"
    rf"(?!\s++(?i:the\s++|also\s++)?{_BEST}\b)"
)
_FOLLOWING = re.compile(
    rf"""{_UNDRESS}
    (?: \s*+(?:\n|\Z) | :(?!\S) | \.(?![0-9]) | [,;!?–—)] | -(?!\w)
      | \s++ (?: (?![=+<>/^−]|-\s*+[0-9]|\*[^*])[^A-Za-z] | (?P<capital>[A-Z])
        | (?:also|as|based|because|but|by|due|for|from|given|hence|i\.e|in|not|only|rather|since|so|therefore|thus|where|which
          |with)\b ) )""",
    re.VERBOSE,
)


def stated_letter(text: str) -> Extraction | None:
    """The letter of the last "answer is B" or "Answer: B"; None if that leaves a choice, as "A or B" does."""
    for at in statements(text):
        found = _STATED.match(text, at)
        if found is None:
            continue
        if found["hedge"] or _HEDGE.match(text, found.end()):
            return None
        if _stands_alone(text, found):
            return _letter(found, "answer phrase")
    return None


def choice_statement(text: str) -> Extraction | None:
    """The letter of the last "option B is correct", "the correct choice is B" or "I choose option B"."""
    last = None
    for found in (*_CALLED_CORRECT.finditer(text), *_CHOSEN.finditer(text)):
        supposed = _SUPPOSED.search(text, max(0, found.start() - 40), found.start())
        chosen = found.re is _CALLED_CORRECT or (_stands_alone(text, found) and not _HEDGE.match(text, found.end()))
        if chosen and not supposed and (last is None or found.start() > last.start()):
            last = found
    return _letter(last, "choice statement") if last and _is_upper(last) else None


def lone_letter(text: str) -> Extraction | None:
    """The letter that is all of the last line, or that labels the option of which the whole text consists."""
    end = len(text.rstrip())
    start = text.rfind("\n", 0, end) + 1
    found = _LINE.match(text, start, end)
    if found is None and not text[:start].strip():
        found = _LABEL.match(text, start, end)
    return _letter(found, "lone letter") if found and _is_upper(found) else None


def letter_in(text: str, found: Extraction) -> Extraction | None:
    """The letter that the content of a box, or the like, is or starts with."""
    content = _CONTENT.match(text, *found.span)
    if content is None or _HEDGE.match(text, content.end(), found.span[1]):
        return None
    return _letter(content, found.rule)


def _stands_alone(text: str, found: re.Match[str]) -> bool:
    """Whether the letter does not go on as a word, a sentence or a formula: "A train", "(A) is too small", "E = mc^2"."""
    if _JUDGED.match(text, found.end()):
        return False
    following = _FOLLOWING.match(text, found.end())
    return found["bare"] is None or (
        following is not None and not (following["capital"] and found["bare"] in ("A", "I"))
    )


def _is_upper(found: re.Match[str]) -> bool:
    return (found["bracketed"] or found["bare"]).isupper()


def _letter(found: re.Match[str], rule: str) -> Extraction:
    name = "bare" if found["bare"] else "bracketed"
    return Extraction(found[name].upper(), rule, found.span(name))
