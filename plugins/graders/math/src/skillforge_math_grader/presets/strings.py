"""Rules on texts that these graders inherited from one another, first of all from hendrycks/math (math_equivalence.py)."""

from __future__ import annotations

import re

MAGNITUDES = {"million": "*10^6", "billion": "*10^9", "trillion": "*10^12"}
LENGTHS_AND_TIMES = (
    "degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "week", "month", "year", "foot", "feet", "inch",
    "yard",
)  # fmt: skip

_GROUPED_DIGITS = re.compile(r"(\d),(\d\d\d)($|\D)")
_SPACED_DIGITS = re.compile(r"([0-9]) +([0-9])")
_REMOVED = ("^{\\circ}", "^\\circ", "\\$")
_REPLACED = (
    ("\n", ""), ("\\!", ""), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\left", ""), ("\\right", ""),
)  # fmt: skip
_UNIT = r"\text{ "


class Malformed(ValueError):
    """A text on which the original fails."""


def hendrycks_form(text: str, bare_percent: bool = True) -> str:
    """The text that `is_equiv` compares. `bare_percent`: `%` goes away without its backslash too. Raises Malformed."""
    for old, new in _REPLACED:
        text = text.replace(old, new)
    for old in _REMOVED:
        text = text.replace(old, "")
    if text.count(_UNIT) > 1:
        raise Malformed("two units")
    text = text.partition(_UNIT)[0].replace("\\%", "")
    if bare_percent:
        text = text.replace("%", "")
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    if text.startswith("."):
        text = "0" + text
    name, _, value = text.partition("=")
    if text.count("=") == 1 and len(name) <= 2:
        text = value
    text = _with_braced_roots(text).replace(" ", "")
    text = with_braced_fractions(text)
    if text == "0.5":
        return r"\frac{1}{2}"
    return _as_fraction(text)


def with_braced_fractions(text: str, lenient: bool = False) -> str:
    r"""`\frac12` and `\frac1{2}` as `\frac{1}{2}`; the text as it was where one `\frac` has fewer than two characters after it.

    Raises Malformed for a `\frac` at the end, unless `lenient`.
    """
    before, *rest = text.split(r"\frac")
    pieces = [before]
    for piece in rest:
        if not piece and not lenient:
            raise Malformed("a fraction of nothing")
        if piece.startswith("{"):
            pieces.append(piece)
        elif len(piece) < 2:
            return text
        else:
            over, under, after = piece[0], piece[1], piece[2:]
            pieces.append(f"{{{over}}}{under if under == '{' else f'{{{under}}}'}{after}")
    return r"\frac".join(pieces)


def _with_braced_roots(text: str) -> str:
    before, *rest = text.split(r"\sqrt")
    if not all(rest):
        raise Malformed("a root of nothing")
    return r"\sqrt".join([before, *(piece if piece[0] == "{" else f"{{{piece[0]}}}{piece[1:]}" for piece in rest)])


def _as_fraction(text: str) -> str:
    """`1/2` as `\\frac{1}{2}`, if both are integers as Python writes them."""
    parts = text.split("/")
    try:
        if len(parts) != 2 or parts != [str(int(part)) for part in parts]:
            return text
    except ValueError:
        return text
    return rf"\frac{{{parts[0]}}}{{{parts[1]}}}"


def without_units(text: str, units: tuple[str, ...]) -> str:
    """Without the units, one after the other, wherever they stand, inside of words too, with plural and exponent."""
    for unit in units:
        if unit in text:
            text = re.sub(rf"{unit}(?:es)?s? *(?:\^[0-9]+)?", "", text)
    return text


def with_magnitudes(text: str) -> str:
    """`3 million` as `3 *10^6`."""
    for word, factor in MAGNITUDES.items():
        text = text.replace(word, factor)
    return text


def with_mixed_numbers(text: str) -> str:
    """`7 3/4` as `7+3/4`; any two digits with blanks between them become a sum."""
    return _SPACED_DIGITS.sub(r"\1+\2", text)


def without_digit_groups(text: str) -> str:
    """`1,234` as `1234`, wherever exactly three digits follow a comma."""
    while (shorter := _GROUPED_DIGITS.sub(r"\1\2\3", text)) != text:
        text = shorter
    return text


def is_whole(text: str) -> bool:
    """Whether Python's float reads an integer (within 1e-7) from `text` without its digit groups."""
    try:
        return is_near_whole(float(without_digit_groups(text)))
    except ValueError:
        return False


def is_near_whole(value: float) -> bool:
    """Whether `value` is an integer, within 1e-7."""
    return abs(value) != float("inf") and value == value and abs(value - round(value)) <= 1e-7


def whole(text: str) -> str:
    """The digits of the integer that `is_whole` found."""
    return str(int(float(text.replace(",", ""))))
