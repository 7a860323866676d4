"""Reads one number, exactly, from a normalised answer: the fast path, which most answers end in."""

from __future__ import annotations

import re
from fractions import Fraction

from skillforge_math_grader.normal import DOLLAR
from skillforge_math_grader.tree import Node, Number, Quantity
from skillforge_math_grader.units import find_unit

MAX_DIGITS = 4000
"""Longer numerals, and powers of ten beyond this, are not read: they are compared as text."""

_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]{1,3}(?:\ [0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?|\.[0-9]++"
_REPEATING = r"\\(?:overline|bar|dot|overbar)\ ?\{?\ ?(?P<period>[0-9]++)\ ?\}?"
_CURRENCY = rf"[{DOLLAR}€£¥₹]"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\ ?(?P<currency>{_CURRENCY}?)\ ?(?P<minus>-?)
    (?:(?P<whole>[0-9]++)\ (?P<part>[1-9][0-9]*+)\ ?/\ ?(?P<parts>[0-9]++)
      |(?P<over>{_PLAIN})\ ?/\ ?(?P<under>-?(?:{_PLAIN}))
      |(?P<before>[0-9]*+\.[0-9]*+){_REPEATING}
      |(?P<plain>{_PLAIN})(?:\.(?!\.))?
       (?:[eE](?P<exponent>[+-]?[0-9]++)
         |\ ?(?:\\times|\\cdot|\*|x|X)\ ?10\ ?(?:\^|\*\*)\ ?(?P<brace>\{{)?\ ?(?P<power>[+-]?[0-9]++)(?(brace)\ ?\}})
       )?
       (?P<more>\ ?\.\.\.)?
    )""",
    re.VERBOSE,
)
_UNIT = re.compile(
    r"(?P<space> ?)(?P<unit>%|(?:\^ ?\\circ ?)(?:[CFK]\b)?|[€£¥₹¢]|per ?cent(?:age)?\b"
    r"|(?:[A-Za-z][A-Za-z'.]*+)(?:[ /-]+[A-Za-z][A-Za-z'.]*+)*+)(?P<power>\^(?:[2-4]|\{ ?-?[1-4] ?\}))?"
)
_WORD = re.compile(r"[A-Za-z]+")

_SHORT_UNITS = (
    "cm mm km nm dm ft in yd mi kg mg lb lbs oz ml mL dl cl hr hrs min mins sec secs ms mph kph th st nd rd sq cu of by on pt "
    "qt gal Hz kHz MHz kJ kW Pa mol rad deg cc bpm rpm kWh"
)
_NOT_UNITS = (
    "and or not half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths eighth eighths tenth tenths "
    "hundredth hundredths thousandth thousandths squared cubed factorial pi plus minus over mod modulo choose root sqrt sin "
    "cos tan cot sec csc log exp infinity inf nan base am pm to if when for where with than less more least most times all "
    "except but none undefined alpha beta gamma theta phi"
)
"""Words after a number that change its value or its sense; any other word is taken for a unit."""

_SHORT = frozenset(_SHORT_UNITS.split())
_LETTERS = frozenset("m g L l s h N J W V K".split())
_REJECTED = frozenset(_NOT_UNITS.split())
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12,
}  # fmt: skip


def read_number(text: str) -> Node | None:
    """The Number, or the Quantity of one, that the whole of `text` (normalised) is, or None.

    Read are integers, decimals (also repeating ones), thousands groups, fractions, mixed numbers and scientific notation,
    after an optional currency sign and before an optional percent or degree sign, or a unit in words.
    """
    if not text or len(text) > 2 * MAX_DIGITS:
        return None
    found = _NUMBER.match(text)
    if found is None:
        return None
    tail = text[found.end() :]
    scale, unit = 1, ""
    if tail:
        parted = _read_unit(tail)
        if parted is None:
            return None
        scale, unit = parted
    number = _read(found)
    if number is None or (found["sign"] and found["minus"]):
        return None
    value = -number.value if "-" in (found["sign"], found["minus"]) else number.value
    node = Number(value * scale, number.places if scale == 1 else None)
    if found["currency"] and unit.lower() not in ("", "dollars", "usd", "euros", "pounds"):
        return None
    unit = "$" if found["currency"] == DOLLAR else found["currency"] or unit
    return Quantity(node, unit) if unit else node


def _read_unit(tail: str) -> tuple[int, str] | None:
    """The scale (1, or that of "million") and the unit that follow a number."""
    return _read_words(tail) or _read_symbols(tail)


def _read_symbols(tail: str) -> tuple[int, str] | None:
    """`m s^{-1}`: symbols with powers, after a blank."""
    unit = tail.strip()
    return (1, unit) if tail[0] == " " and len(unit) > 2 and find_unit(unit, explicit=True) else None


def _read_words(tail: str) -> tuple[int, str] | None:
    found = _UNIT.fullmatch(tail)
    if found is None:
        return None
    unit = found["unit"]
    if not unit[0].isalpha():
        return 1, "degree" if unit[0] == "^" and unit[-1] not in "CFK" else unit.replace(" ", "")
    words = _WORD.findall(unit)
    if not found["space"]:  # 5xy is a product, 5cm a length
        return (1, unit + (found["power"] or "")) if len(words) == 1 and words[0] in _SHORT else None
    scale = 1
    while words and (factor := _SCALES.get(words[0].lower().removesuffix("s"))):
        scale *= factor
        unit = unit[len(words.pop(0)) :].strip()
    if not (all(_may_be_unit(word) for word in words) or unit in _LETTERS):
        return None
    return scale, unit + (found["power"] or "") if words else ""


def _may_be_unit(word: str) -> bool:
    return word in _SHORT or word.lower() in _SHORT or (len(word) > 2 and word.lower() not in _REJECTED)


def _read(found: re.Match[str]) -> Number | None:
    try:
        if found["whole"]:
            part = exact(found["part"]) / exact(found["parts"])
            return Number(exact(found["whole"]) + part) if part < 1 else None
        if found["over"]:
            return Number(exact(found["over"]) / exact(found["under"]))
        if found["period"]:
            return Number(repeating(found["before"], found["period"]))
        if found["more"]:
            return _continued(found["plain"])
        value = exact(found["plain"]) * power_of_ten(found["exponent"] or found["power"] or "0")
    except (ValueError, ZeroDivisionError):
        return None
    places = places_of(found["plain"])
    if places is not None and (found["exponent"] or found["power"]):
        places = max(places - int(found["exponent"] or found["power"]), 0) or None
    return Number(value, places)


def _continued(numeral: str) -> Number | None:
    """`0.333...`: a period that is written three times is taken to go on; other digits are no exact number."""
    whole, _, decimals = numeral.partition(".")
    for length in range(1, 7):
        period = decimals[-length:]
        if len(decimals) >= 3 * length and decimals.endswith(period * 3):
            return Number(repeating(f"{whole}.{decimals[: -3 * length]}", period))
    return Number(exact(numeral), len(decimals)) if decimals else None


def places_of(numeral: str) -> int | None:
    """How many digits follow the point; None without one."""
    return len(numeral.partition(".")[2]) or None


def repeating(before: str, period: str) -> Fraction:
    """`before` (with its point) and then `period` for ever."""
    if len(period) > MAX_DIGITS:
        raise ValueError("too many digits")
    decimals = len(before.partition(".")[2])
    start = exact(before) if before != "." else Fraction(0)
    return start + Fraction(int(period), (10 ** len(period) - 1) * 10**decimals)


def exact(numeral: str) -> Fraction:
    """Raises ValueError for a numeral that is too long."""
    if len(numeral) > MAX_DIGITS * 4 // 3:
        raise ValueError("too many digits")
    whole, _, decimals = numeral.replace(",", "").replace(" ", "").partition(".")
    if len(whole) + len(decimals) > MAX_DIGITS:
        raise ValueError("too many digits")
    return Fraction(int(whole + decimals or "0"), 10 ** len(decimals)) if decimals else Fraction(int(whole))


def power_of_ten(exponent: str) -> Fraction | int:
    """Raises ValueError for a power beyond MAX_DIGITS."""
    if len(exponent) > 5 or abs(int(exponent)) > MAX_DIGITS:
        raise ValueError("power out of bounds")
    power = int(exponent)
    return 10**power if power >= 0 else Fraction(1, 10**-power)
