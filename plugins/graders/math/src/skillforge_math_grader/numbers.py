"""Reads one number, exactly, from a normalised answer."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

MAX_DIGITS = 4000
"""Longer numerals, and powers of ten beyond this, are not read: they are compared as text."""

_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]{1,3}(?:\ [0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\ ?[€£¥₹]?\ ?(?P<minus>-?)
    (?:(?P<whole>[0-9]++)\ (?P<part>[1-9][0-9]*+)\ ?/\ ?(?P<parts>[0-9]++)
      |(?P<over>{_PLAIN})\ ?/\ ?(?P<under>-?(?:{_PLAIN}))
      |(?P<plain>{_PLAIN})
       (?:[eE](?P<exponent>[+-]?[0-9]++)
         |\ ?(?:\\times|\\cdot|\*|x)\ ?10\ ?(?:\^|\*\*)\ ?(?P<brace>\{{)?\ ?(?P<power>[+-]?[0-9]++)(?(brace)\ ?\}})
       )?
    )""",
    re.VERBOSE,
)
_PERCENT = re.compile(r" ?(?:%|per ?cent(?:age)?(?![A-Za-z]))", re.IGNORECASE)
_UNIT = re.compile(r"(?P<space> ?)(?P<words>[A-Za-z][A-Za-z'./ -]*+)(?:\^(?:[23]|\{ ?[23] ?\}))?")
_WORD = re.compile(r"[A-Za-z]+")

_SHORT_UNITS = (
    "cm mm km nm ft in yd mi kg mg lb lbs oz ml cl hr hrs min mins sec secs ms mph kph th st nd rd sq cu of by on"
)
_NOT_UNITS = (
    "and or not hundred thousand million billion trillion dozen half halves third thirds quarter quarters fourth fourths "
    "fifth fifths sixth sixths eighth eighths tenth tenths hundredth hundredths thousandth thousandths squared cubed "
    "factorial pi plus minus over mod modulo choose root sqrt sin cos tan log exp infinity inf nan base radian "
    "radians rad am pm to"
)
"""Words after a number that change its value or its sense; any other word is taken for a unit."""

_SHORT = frozenset(_SHORT_UNITS.split())
_REJECTED = frozenset(_NOT_UNITS.split())


class Number(NamedTuple):
    """A rational number. `percent` tells that the answer had a percent sign; `value` is the number before the sign."""

    value: Fraction
    percent: bool = False


def parse_number(text: str) -> Number | None:
    """The number that the whole of `text` (normalised) is, or None.

    Read are integers, decimals, thousands groups, fractions, mixed numbers and scientific notation, after an optional
    currency sign and before an optional percent sign or unit in words. A unit is dropped, not compared.
    """
    if not text or len(text) > 2 * MAX_DIGITS:
        return None
    found = _NUMBER.match(text)
    if found is None:
        return None
    tail = text[found.end() :]
    percent = _PERCENT.match(tail)
    if percent:
        tail = tail[percent.end() :]
    if tail and not _is_unit(tail):
        return None
    value = _value(found)
    return None if value is None else Number(value, percent is not None)


def _is_unit(tail: str) -> bool:
    found = _UNIT.fullmatch(tail)
    if found is None:
        return False
    words = _WORD.findall(found["words"].lower())
    if not found["space"]:  # 5xy is a product, 5cm a length
        return len(words) == 1 and words[0] in _SHORT
    return all(word in _SHORT or (len(word) > 2 and word not in _REJECTED) for word in words)


def _value(found: re.Match[str]) -> Fraction | None:
    if found["sign"] and found["minus"]:
        return None
    try:
        if found["whole"]:
            value = _exact(found["whole"]) + _exact(found["part"]) / _exact(found["parts"])
        elif found["over"]:
            value = _exact(found["over"]) / _exact(found["under"])
        else:
            value = _exact(found["plain"]) * _power_of_ten(found["exponent"] or found["power"] or "0")
    except (ValueError, ZeroDivisionError):
        return None
    return -value if "-" in (found["sign"], found["minus"]) else value


def _exact(numeral: str) -> Fraction:
    """Raises ValueError for a numeral that is too long."""
    if len(numeral) > MAX_DIGITS * 4 // 3:
        raise ValueError("too many digits")
    whole, _, decimals = numeral.replace(",", "").replace(" ", "").partition(".")
    if len(whole) + len(decimals) > MAX_DIGITS:
        raise ValueError("too many digits")
    return Fraction(int(whole + decimals), 10 ** len(decimals)) if decimals else Fraction(int(whole))


def _power_of_ten(exponent: str) -> Fraction | int:
    if len(exponent) > 5 or abs(int(exponent)) > MAX_DIGITS:
        raise ValueError("power out of bounds")
    power = int(exponent)
    return 10**power if power >= 0 else Fraction(1, 10**-power)
