"""The decisions of openai/prm800k (prm800k/grading/grader.py, `grade_answer`).

Equal are texts that are the same after the rewriting of hendrycks/math, or after its own; else tuples of as many elements, of
which each two are the same fraction digit by digit, or no integer against something else, with a difference that sympy finds
to be zero. Expressions of more than two letters, with braces or with powers of two digits are not looked at.
"""

from __future__ import annotations

import re

from skillforge_math_grader.presets.expressions import read_product_notation, same_value
from skillforge_math_grader.presets.latex_text import latex_as_text
from skillforge_math_grader.presets.strings import (
    LENGTHS_AND_TIMES,
    Malformed,
    hendrycks_form,
    is_near_whole,
    is_whole,
    whole,
    with_magnitudes,
    with_mixed_numbers,
    without_digit_groups,
    without_units,
)

_TUPLE = re.compile(r"[()\[\]][^()\[\]]+[()\[\]]")
_IN_TEXT = re.compile(r"^\\text\{(?P<text>.+?)\}$")
_DEGREES = re.compile(r"\^ *\\circ")
_SPACED_COMMA = re.compile(r",\\! *")
_SPACED_MINUS = re.compile(r"- *")
_FRACTION = re.compile(r"-?[0-9]+.?/0*[1-9][0-9]*.?")
_NOT_EVALUATED = re.compile(r"\^[({]|\^[0-9]+\^|\^[0-9][0-9]+")
_UNITS = (*LENGTHS_AND_TIMES[:8], "day", *LENGTHS_AND_TIMES[8:])
_AS_PYTHON = {"√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*"}


def decide(expected: str, predicted: str) -> tuple[bool, str]:
    """Whether `grade_answer` takes `predicted` for `expected`, and why."""
    if _mathd_form(expected) == _mathd_form(predicted):
        return True, "the same text after the rewriting of hendrycks/math"
    one, two = _own_form(expected), _own_form(predicted)
    if one == two:
        return True, "the same text after rewriting"
    if not two:
        return False, "no prediction"
    ones, twos = _elements(one), _elements(two)
    if len(ones) != len(twos):
        return False, "another number of elements"
    if len(ones) > 1 and (one[0], one[-1]) != (two[0], two[-1]):
        return False, "other brackets"
    for first, second in zip(ones, twos, strict=True):
        if (difference := _difference(first, second)) is not None:
            return False, difference
    return True, "sympy's rule: the difference is zero"


def _difference(first: str, second: str) -> str | None:
    """Why two elements are not the same; None if they are."""
    if _FRACTION.fullmatch(first) and _FRACTION.fullmatch(second):
        return None if first == second else "fractions that are not written the same"
    if is_whole(first) != is_whole(second):
        return "an integer against something else"
    if _NOT_EVALUATED.search(first) or _NOT_EVALUATED.search(second) or len(_letters(first + second)) > 2:
        return "different texts that sympy is not asked about"
    equal = same_value(read_product_notation(first), read_product_notation(second))
    return None if equal else "a difference that is not zero"


def _mathd_form(text: str) -> str:
    text = text.strip()
    if found := _IN_TEXT.search(text):
        text = found["text"].strip()
    try:
        return hendrycks_form(text, bare_percent=False)
    except Malformed:
        return text


def _own_form(text: str) -> str:
    if found := _IN_TEXT.search(text):
        text = found["text"]
    text = text.replace("\\%", "").replace("\\$", "").replace("$", "").replace("%", "")
    text = with_magnitudes(text.replace(" or ", " , ").replace(" and ", " , "))
    text = _DEGREES.sub("", without_units(text, _UNITS))
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = _as_integer(_SPACED_COMMA.sub("", text))
    if "\\" in text:
        text = _without_latex(text)
    text = with_mixed_numbers(_SPACED_MINUS.sub("-", text))
    text = re.sub("[ {}]", "", text).lower()
    return whole(text) if is_whole(text) else text


def _as_integer(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    return str(round(value)) if is_near_whole(value) else text


def _without_latex(text: str) -> str:
    latex = text.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac").replace("\\frac", " \\frac")
    try:
        text = latex_as_text(latex)
    except ValueError:
        return latex  # the original keeps it as it is too
    for symbol, name in _AS_PYTHON.items():
        text = text.replace(symbol, name)
    return text.strip()


def _elements(text: str) -> list[str]:
    """The elements of a tuple or interval; any other text is the only one."""
    text = without_digit_groups(text)
    if _TUPLE.fullmatch(text):
        return [element.strip() for element in text[1:-1].split(",")]
    return [text] if text else []


def _letters(text: str) -> set[str]:
    return {char for char in text.replace("sqrt", "").replace("frac", "") if char.isalpha()}
