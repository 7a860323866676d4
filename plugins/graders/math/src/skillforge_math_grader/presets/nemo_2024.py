"""The decisions of NVIDIA/NeMo-Skills in August and September 2024 (code_execution/math_grader.py, `math_equal`).

Texts are rewritten and compared regardless of case; two numbers are equal within a relative tolerance of 1e-4, also if one is
100 times the other; lists are compared in order; other texts are equal if sympy finds no difference, or the same value within
the tolerance. Its rules for sympy's Point and Matrix can never apply: the rules before them decide.
"""

from __future__ import annotations

import math
import re

from skillforge_math_grader.presets.expressions import close_values, read_sympy, same_value
from skillforge_math_grader.presets.strings import (
    LENGTHS_AND_TIMES,
    Malformed,
    is_whole,
    whole,
    with_braced_fractions,
    with_magnitudes,
    with_mixed_numbers,
    without_units,
)

TOLERANCE = 1e-4
MAX_DEPTH = 4
"""Of lists within lists: each pair of them is compared in two ways."""

MAX_PREDICTION = 1000

_Result = tuple[bool, str]

_DOLLARS = re.compile(r"\$\d+(\.\d+)?")
_PERCENT = re.compile(r"^\d+(\.\d+)?\\?%$")
_JOINED = re.compile(r"(?:(?<!\s)\s++)?\\text{\s*+(?:or|and)\s*+}\s*+")
_COMMAS = re.compile(r",\s*+,")
_TEXT_OPENED = re.compile(r"\\text\s*{\s*")
_IN_TEXT = re.compile(r"\\text{([^}]+)}")
_WRAPPERS = tuple(
    re.compile(rf"^\\{name}\{{(?P<text>.+?)\}}$") for name in ("text", "mathrm", "mathcal", "textbf", "textit")
)
_DEGREES = re.compile(r"\^ *\\circ")
_BARE_ROOT = re.compile(r"\\sqrt(\s*\w+)")
_SPACED_FRACTION = re.compile(r"(?<=\\frac) +")
_SPACED_MINUS = re.compile(r"- *")
_MIXED_FRACTION = re.compile(r"(?<!\d)(\d++) *+\\frac{(\d++)}{(\d++)}")
_INTERVAL = re.compile(r"Interval(?P<kind>|\.Ropen|\.Lopen|\.open)\((?P<ends>.*)\)$")
_INTERVAL_BRACKETS = {"": ("[", "]"), ".Ropen": ("[", ")"), ".Lopen": ("(", "]"), ".open": ("(", ")")}
_UNITS = (*LENGTHS_AND_TIMES, "p.m.", "PM")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def decide(expected: str, predicted: str) -> _Result:
    """Whether `math_equal` takes `predicted` for `expected`, and why."""
    try:
        return _decide(expected, predicted, 0)
    except Malformed as error:
        return False, str(error)


def _decide(expected: str, predicted: str, depth: int) -> _Result:
    one, two = _form(expected), _form(predicted)[:MAX_PREDICTION]
    if one.strip().lower() == two.strip().lower() or one.replace(" ", "") == two.replace(" ", ""):
        return True, "the same text after rewriting"
    numbers = _number(one), _number(two)
    if numbers[0] is not None and numbers[1] is not None:
        return _same_numbers(numbers[0], numbers[1])
    if not two:
        return False, "no prediction"
    one, two = one.strip(), _as_brackets(two.strip())
    if _without_brackets(one, two):
        return True, "the same text but for brackets"
    if depth >= MAX_DEPTH:
        return False, "nested too deep"
    bracketed = one and two and two[0] in "([" and two[-1] in ")]" and (one[0], one[-1]) == (two[0], two[-1])
    if bracketed and _same_items(one[1:-1], two[1:-1], depth):
        return True, "the same items in the same order"
    if "," in one and "," in two and one.count(",") == two.count(","):
        equal = _same_items(one, two, depth)
        return equal, "the same items in the same order" if equal else "other items, or another order"
    return _same_symbolically(one, two)


def _same_numbers(expected: float, predicted: float) -> _Result:
    if math.isclose(expected, predicted, rel_tol=TOLERANCE):
        return True, "numbers within 1e-4"
    if any(math.isclose(target, predicted, rel_tol=TOLERANCE) for target in (expected / 100, expected * 100)):
        return True, "numbers within 1e-4, taken for percent and fraction"
    return False, "different numbers"


def _same_items(expected: str, predicted: str, depth: int) -> bool:
    ones, twos = expected.split(","), predicted.split(",")
    if len(ones) != len(twos):
        return False
    return all(_decide(one.strip(), two.strip(), depth + 1)[0] for one, two in zip(ones, twos, strict=True))


def _same_symbolically(expected: str, predicted: str) -> _Result:
    one, two = read_sympy(expected), read_sympy(predicted)
    if same_value(one, two):
        return True, "sympy's rule: the difference is zero"
    if close_values(one, two, TOLERANCE):
        return True, "values within 1e-4"
    return False, "different expressions"


def _without_brackets(one: str, two: str) -> bool:
    """Whether the texts are the same without braces and parentheses; square ones around the prediction go too."""
    square = two.startswith("[") and two.endswith("]") and not one.startswith("(")
    if square or (two.startswith("(") and two.endswith(")") and not one.startswith("[")):
        one, two = one.strip("[]()"), two.strip("[]()")
    return re.sub("[{}()]", "", one) == re.sub("[{}()]", "", two)


def _as_brackets(text: str) -> str:
    """sympy's `Interval.open(1, 2)` as `(1, 2)`."""
    found = _INTERVAL.match(text)
    if found is None:
        return text
    opening, closing = _INTERVAL_BRACKETS[found["kind"]]
    return f"{opening}{found['ends']}{closing}"


def _number(text: str) -> float | None:
    try:
        return float(text.replace("{,}" if "{,}" in text else ",", ""))
    except ValueError:
        return None


def _form(text: str) -> str:
    if _DOLLARS.match(text):
        text = text[1:]
    elif _PERCENT.match(text):
        text = text.replace("\\%", "").replace("%", "")
    text = text.replace(r"\left", "").replace(r"\right", "")
    text = _COMMAS.sub(",", _JOINED.sub(",", text))
    text = _without_right_text(text)
    if r"\in " in text:
        text = text.split(r"\in ")[1].strip()
    for wrapper in _WRAPPERS:
        if found := wrapper.search(text):
            text = found["text"]
    text = text.replace("\\!", "").replace("\\%", "").replace("\\$", "").replace("$", "").replace("%", "")
    text = text.replace("^{\\circ}", "").replace(" or ", " , ").replace(" and ", " , ")
    text = without_units(with_magnitudes(text), _UNITS)
    if "day" in text and not any(day in text for day in _WEEKDAYS):
        text = re.sub("days?", "", text)
    text = _DEGREES.sub("", text)
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = _SPACED_FRACTION.sub("", _BARE_ROOT.sub(r"\\sqrt{\1}", text))
    text = with_mixed_numbers(_SPACED_MINUS.sub("-", with_braced_fractions(text, lenient=True)))
    text = _MIXED_FRACTION.sub(r"\1 + \2/\3", text).replace(" ", "")
    return whole(text.split("_")[0]) if is_whole(text) else text


def _without_right_text(text: str) -> str:
    r"""`5 \text{cm}` as `5`: what one `\text` and all after it say is a unit, unless nothing but a bracket stands before it."""
    parts = _TEXT_OPENED.split(text)
    if len(parts) == 2 and parts[0] not in ("", "("):
        return parts[0]
    if r"\text{" in text:
        return _IN_TEXT.sub(r"\1", text)
    if text.count(r"\mbox{") > 1:
        raise Malformed("two boxes of text")
    return text.split(r"\mbox{")[0]
