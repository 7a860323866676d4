"""An answer as it is compared: its normal text, and what it is read as."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from skillforge_math_grader import vocabulary as known
from skillforge_math_grader.normal import DOLLAR, MAX_CHARS, normalise, plain, text_key, unboxed
from skillforge_math_grader.numbers import read_number
from skillforge_math_grader.parsing import parse
from skillforge_math_grader.respelling import respelled
from skillforge_math_grader.tokens import Unreadable, has_grouped_digits
from skillforge_math_grader.tree import Add, Based, Group, Node, Number, Quantity, Text
from skillforge_math_grader.units import convertible, find_unit
from skillforge_math_grader.words import fold, is_words, listed_words, number_in_words

_DECIMAL_COMMA = re.compile(r"-?[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}|(?<=^0,)[0-9]+)")
_INDIAN = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
SHORT = 300
"""Characters: of longer answers no reading is kept, and none is a sentence with a number in it."""

_WORD = r"[^\W\d_]++(?:['-][^\W\d_]++)?+"
_SENTENCE = re.compile(
    rf"(?P<before>(?:{_WORD}(?:,? | ?[:：] ?))++)"
    rf"{DOLLAR}?(?P<measure>-?[0-9][0-9,]*+(?:\.[0-9]++)?(?:/[0-9]++)?%?(?: {_WORD})*+)"
)
"""Words, one number, words: `She has 12 apples left`."""

_VALUE_OF = re.compile(
    r"(?:(?:\\?[A-Za-z]+|\\\|)[^=()\[\]|]*(?:\([^()]*\)|\[[^\[\]]*\]|\|)(?:[^=()]|\([^()]*\))*"
    r"|\\(?:max|min|lim|sum|int|text|mathrm|operatorname)(?![A-Za-z])(?:[^=()]|\([^()]*\))*"
    r"|\[[A-Z]+\]) ?= ?(?P<value>(?:[-0-9./ {}^,%()]|\\[dt]?frac|\\sqrt|\\pi)+)"
)
"""The value of what is named: `P(X = 3) = 1/2`, `[ABC] = 42`, `\\max f = 12`."""

_TWICE = re.compile(r"([^()]*[0-9}]) ?\(([^()]*[0-9}%])\)")
"""`0.75 (3/4)`."""

_DENIAL = re.compile(
    r"(?i)\b(?:not|no|none|never|less|than|wrong|incorrect|except|or|between|at|nor|neither|if|half|twice|double|triple|minus"
    r"|negative|plus|times|divided|by|lambda|(?<!total )of|jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec"
    r"|january|february|march|april|august|september|october|november|december)\b|n't"
)
"""Words with which a sentence says something else than its number."""

_LEADING_ZERO = re.compile(",0[0-9]")
_BASED = re.compile(
    r"(?P<digits>-?[0-9A-Fa-f]{1,200}(?:\.[0-9A-Fa-f]{1,200})?)"
    r"(?:_ ?\{? ?(?:base ?)?(?P<base>[0-9]{1,2}|[a-z]{3,8}) ?\}?| (?:in )?base (?P<base2>[0-9]{1,2}|[a-z]{3,8}))"
)
_ANGLE = re.compile(
    r"(?P<degrees>-?[0-9]{1,9}) ?\^ ?\\circ ?(?P<minutes>[0-9]{1,9}) ?'"
    r"(?: ?(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?) ?'')?"
)
_COMPOUND = re.compile(r"(?:[0-9]+(?:\.[0-9]+)? [A-Za-z]{1,12}(?:,? and |,? )){1,3}[0-9]+(?:\.[0-9]+)? [A-Za-z]{1,12}")
_INTRODUCTION = re.compile(
    r"^(?:(?:so|thus|therefore|hence),? )?(?:the )?(?:final )?answer(?: is| =)?:? |^it(?: i|')s ", re.IGNORECASE
)
_BOLD = re.compile(r"(?<![*\w)\]}])\*\*(?P<inner>[^*]+)\*\*(?![*\w])")
_MARKED_WORDS = re.compile(r"[(\[]([A-Za-z]{2,}(?: [A-Za-z]+)*)[)\]]!?|([A-Za-z]{2,}(?: [A-Za-z]+)*)!")
_PARENTHESES = re.compile(r"(\()+")


class Answer(NamedTuple):
    """`key`: what identical answers share. `node`: the first reading. `fault`: why there is no better one than its text."""

    text: str
    key: str
    node: Node
    fault: str | None = None


def read(answer: str) -> Answer:
    """The answer in `answer`. Never raises; time and memory are linear in its length."""
    try:
        return _read_cached(answer) if len(answer) <= SHORT else _read(answer)
    except RecursionError:  # how deep the caller is decides, so this is not kept
        return Answer(answer, answer, Text(answer), "it is nested too deep")


def other_reading(answer: str, prose: bool) -> Answer | None:
    """`12,345` as two numbers where the first reading took it for one, and the other way round; `1,22` as a decimal.

    `12,34,567` as a number in the Indian manner; with `prose`, what a sentence or a name
    says: `She has 12 apples left`, `P(A) = 1/2`.
    """
    if len(answer) > MAX_CHARS:
        return None
    text = _undressed(answer)
    if prose and len(text) <= SHORT and (said := _said(text)) is not None:
        return said
    if "," not in answer:
        return None
    if _INDIAN.fullmatch(text):
        return _read(text.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(text):
        return _read(text.replace(",", "."))
    if not has_grouped_digits(text) or (text[:1] not in "([{\\" and _LEADING_ZERO.search(text)):
        return None
    try:
        node = parse(text, join_groups=False)
        listed = isinstance(node, Group) and len(node.items) > 1
        return None if text[:1] in "([{\\" and not listed else Answer(text, text, node)
    except (Unreadable, RecursionError):
        return None


def _read(answer: str) -> Answer:
    if len(answer) > MAX_CHARS:
        # Blanks cost nothing to take away, and many a hostile text is made of them.
        answer = answer.strip()
        if len(answer) > MAX_CHARS:
            return Answer(answer, answer, Text(answer), "it is too long to be read")
    plain_text = _undressed(answer)
    text = _INTRODUCTION.sub("", normalise(plain_text))
    key = text_key(text)
    node = read_number(text) or _based(text) or _words(text) or _compound(text)
    if node is not None:
        return Answer(text, key, node)
    try:
        return Answer(text, key, parse(plain_text))
    except Unreadable as error:
        return Answer(text, key, Text(fold(text)), str(error))


_read_cached = lru_cache(maxsize=4096)(_read)


def _said(text: str) -> Answer | None:
    """The value in a sentence, after a name, or written twice."""
    if (sentence := _SENTENCE.fullmatch(text)) and _is_prose(sentence["before"]) and not _DENIAL.search(text):
        return _read(sentence["measure"])
    if (value := _VALUE_OF.fullmatch(text)) is not None:
        return _read(value["value"])
    if (twice := _TWICE.fullmatch(text)) is not None:
        one, two = read_number(normalise(twice[1])), read_number(normalise(twice[2]))
        return _read(twice[1]) if one is not None and two is not None and _value(one) == _value(two) else None
    return None


def _is_prose(words: str) -> bool:
    names = re.findall(_WORD, words)
    return any(len(name) > 2 for name in names) and not any(name in known.FUNCTIONS for name in names)


def _value(node: Node) -> Fraction | None:
    """The value of a number, also of one in percent."""
    if isinstance(node, Quantity) and node.unit == "%" and isinstance(node.value, Number):
        return node.value.value / 100
    return node.value if isinstance(node, Number) else None


def _undressed(answer: str) -> str:
    """What `_undress` makes of the answer; a second reading comes right after the first."""
    return _undress_cached(answer) if len(answer) <= SHORT else _undress(answer)


def _undress(answer: str) -> str:
    """Plain text without boxes, Markdown, delimiters of mathematics, a final full stop and doubled brackets."""
    text = unboxed(answer) if "box" in answer else answer
    if "*" in text:
        text = _BOLD.sub(r"\g<inner>", text)
    text = plain(respelled(text.strip(" `\n\t\r")))
    text = text.strip().strip("$").strip()
    if not text.endswith("..."):
        text = text.rstrip(" .,;:\\") if not text.endswith(r"\}") else text
    return _without_doubled_brackets(text)


_undress_cached = lru_cache(maxsize=64)(_undress)


def _without_doubled_brackets(text: str) -> str:
    """`((5))` becomes `(5)`, however deep."""
    opened = _PARENTHESES.match(text)
    if opened is None or not text.endswith("))"):
        return text
    pairs = min(opened.end(), len(text) - len(text.rstrip(")")))
    depth = lowest = 0
    for char in text[opened.end() : len(text) - pairs]:
        depth += (char == "(") - (char == ")")
        lowest = min(lowest, depth)
    pairs = min(pairs, opened.end() + lowest)  # brackets that close further inside are no wrapping
    return text[pairs - 1 : len(text) - pairs + 1] if pairs > 1 and depth <= 0 else text


def _based(text: str) -> Node | None:
    found = _BASED.fullmatch(text)
    if found is None or not any(char.isdigit() for char in found["digits"]):
        return None
    base = number_in_words(written) if (written := found["base"] or found["base2"]).isalpha() else Fraction(written)
    return Based(found["digits"].upper(), int(base)) if base is not None else None


def _words(text: str) -> Node | None:
    if text.upper() in ("N/A", "NA"):
        return Text("n/a")
    text = _bare_words(text)
    if len(text) > 500 or not text[:1].isalpha():
        return None
    folded = fold(text)
    number = number_in_words(folded)
    if number is not None:
        return Number(number)
    if len(items := listed_words(text)) > 1:
        return Group("", tuple(map(_word, items)), "")
    if not is_words(text) or folded in ("pi", "infinity", "oo", "inf") or _is_product(text):
        return None
    if any(word in known.FUNCTIONS for word in text.split(" ")):  # sin x
        with contextlib.suppress(Unreadable):
            return parse(text)
    first, _, rest = folded.partition(" ")
    if rest and (number := number_in_words(first)) is not None and find_unit(rest) is not None:
        return Quantity(Number(number), rest)
    return Text(folded)


def _word(item: str) -> Node:
    number = number_in_words(fold(item))
    return Text(fold(item)) if number is None else Number(number)


def _bare_words(text: str) -> str:
    """`[Yes]`, `(Yes)` and `Yes!` without brackets and the mark."""
    found = _MARKED_WORDS.fullmatch(text)
    return found[1] or found[2] if found else text


def _is_product(text: str) -> bool:
    """`x y`, and `xyz` and `abc`: letters of their own, or three that follow each other in the alphabet."""
    codes = sorted(map(ord, text))
    letters = len(text) == 3 and codes[2] - codes[0] == 2 and len(set(codes)) == 3
    return letters or all(len(word) == 1 for word in text.split(" "))


def _compound(text: str) -> Node | None:
    """`5 feet 3 inches` in the first of its units, and degrees with minutes."""
    if (angle := _ANGLE.fullmatch(text)) is not None:
        minutes = Fraction(angle["minutes"]) + Fraction(angle["seconds"] or 0) / 60
        sign = -1 if angle["degrees"].startswith("-") else 1
        return Quantity(Number(int(angle["degrees"]) + sign * minutes / 60), "degree")
    if not _COMPOUND.fullmatch(text):
        return None
    words = text.replace(",", " ").replace(" and ", " ").split()
    unit = find_unit(words[1], explicit=True)
    terms: list[Node] = []
    for value, name in zip(words[::2], words[1::2], strict=True):
        other = find_unit(name, explicit=True)
        factor = convertible(other, unit) if unit and other else None
        number = read_number(value)
        if factor is None or not isinstance(number, Number):
            return None
        terms.append(Number(number.value * factor))
    return Quantity(Add(tuple(terms)), words[1])
