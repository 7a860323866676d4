"""Units: what they measure, and their exact factors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache, lru_cache

import msgspec

Dimension = tuple[tuple[str, int], ...]
"""Base quantities with their exponents, sorted: `(("length", 1), ("time", -1))`."""

MAX_CHARS = 60
"""Longer words are no unit."""


class Unit(msgspec.Struct, frozen=True):
    """A unit: what it measures, how many base units it is, and what else the same word may stand for (pounds)."""

    name: str
    dimension: Dimension
    factor: Fraction
    others: tuple[Unit, ...] = ()


_DEFINITIONS = {
    # spellings: a quantity that is counted in this unit, or a value in the units above (BIPM, NIST SP 811)
    "m meter metre": "length",
    "g gram gm": "mass",
    "s sec second": "time",
    "A amp ampere": "current",
    "K kelvin": "temperature",
    "mol mole": "amount",
    "bit": "information",
    "degree deg °": "degree",  # apart from radians: no fraction leads from one to the other
    "radian rad": "radian",
    "month mo": "month",  # apart from days: months differ
    "°C celsius centigrade": "celsius",
    "°F fahrenheit": "fahrenheit",
    "% percent percentage": "percent",
    "$ ＄ dollar USD buck": "dollar",
    "€ euro EUR": "euro",
    "£ GBP sterling quid": "sterling",
    "¥ yen JPY": "yen",
    "yuan RMB CNY": "yuan",
    "₹ rupee INR": "rupee",
    "₽ ruble rouble RUB": "ruble",
    "₩ KRW": "won",
    "peso": "peso",
    "in inch": "0.0254 m",
    "ft foot feet": "0.3048 m",
    "yd yard": "0.9144 m",
    "mi mile": "1609.344 m",
    "min minute": "60 s",
    "h hr hour": "3600 s",
    "day": "86400 s",
    "week wk": "604800 s",
    "fortnight": "1209600 s",
    "year yr": "12 month",
    "decade": "120 month",
    "century": "1200 month",
    "lb pound": "453.59237 g",
    "oz ounce": "28.349523125 g",
    "ton": "2000 lb",
    "tonne": "1000000 g",
    "L l liter litre": "0.001 m^3",
    "cc": "0.000001 m^3",
    "gal gallon": "3.785411784 L",
    "qt quart": "0.946352946 L",
    "pt pint": "0.473176473 L",
    "cup": "0.2365882365 L",
    "floz": "0.0295735295625 L",
    "tbsp tablespoon": "0.01478676478125 L",
    "tsp teaspoon": "0.00492892159375 L",
    "acre": "4046.8564224 m^2",
    "hectare ha": "10000 m^2",
    "sqft": "1 ft^2",
    "N newton": "1000 g m/s^2",
    "J joule": "1 N m",
    "cal calorie": "4.184 J",
    "eV electronvolt": "1.602176634e-19 J",
    "kWh": "3600000 J",
    "Nm": "1 N m",
    "W watt": "1 J/s",
    "Hz hertz": "1 s^-1",
    "Pa pascal": "1 N/m^2",
    "atm atmosphere": "101325 Pa",
    "psi": "1 lb/in^2",
    "V volt": "1 W/A",
    "ohm Ω": "1 V/A",
    "C coulomb": "1 A s",
    "T tesla": "1 V s/m^2",
    "G gauss": "0.0001 T",
    "Wb weber": "1 V s",
    "F farad": "1 A s/V",
    "H henry": "1 V s/A",
    "erg": "0.0000001 J",
    "dyn dyne": "0.00001 N",
    "Å angstrom": "0.0000000001 m",
    "ly lightyear light-year": "9460730472580800 m",
    "knot": "1852 m/h",
    "M molar": "1 mol/L",
    "B byte": "8 bit",
    "rev revolution": "360 degree",
    "rpm": "1 rev/min",
    "mph": "1 mi/h",
    "kph kmh kmph": "1000 m/h",
    "fps": "1 ft/s",
    "mpg": "1 mi/gal",
    "cent ¢ penny": "0.01 $",
    "nickel": "0.05 $",
    "dime": "0.1 $",
    "quarter": "0.25 $",
    "pence": "0.01 £",
}
_ALSO = {
    "pound": ("£",),
    "¥": ("yuan",),
    "oz": ("floz",),
    "ounce": ("floz",),
    "degree": ("°C", "°F"),
    "C": ("°C",),
    "°": ("°C", "°F"),
}
_PREFIXES = {
    "kilo": ("k", 3), "mega": ("M", 6), "giga": ("G", 9), "tera": ("T", 12), "hecto": ("h", 2), "deci": ("d", -1),
    "centi": ("c", -2), "milli": ("m", -3), "micro": ("μµu", -6), "nano": ("n", -9),
}  # fmt: skip
_PREFIXED = {
    "m meter metre g gram L l liter litre": "kilo hecto deci centi milli micro nano",
    "s second mol mole A amp ampere": "kilo milli micro nano",
    "N newton J joule W watt Hz hertz Pa pascal V volt eV cal calorie ohm Ω": "kilo mega giga tera milli micro nano",
    "B byte bit": "kilo mega giga tera",
}
"""Prefixes that are in use: no megametre, so that `MM` can only be a millimetre."""

_PLURALS = (("s", ""), ("es", ""), ("ies", "y"))
_ORDINARY = frozenset(["in", "us", "mo"])
"""Words of the language, which need the same care as single letters."""

_REWRITTEN = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\bdegrees? ?(?:celsius|centigrade|c)\b|° ?c\b", "°C"),
        (r"\bdegrees? ?(?:fahrenheit|f)\b|° ?f\b", "°F"),
        (r"\bfl(?:\.|uid)? ?(?:oz\b\.?|ounces?\b)", "floz"),
        (r"\bmetric tons?\b", "tonne"),
        (r"\b(?:us|u\.s\.|american) (?=dollar|cent)|(?<=percent)age points?\b", ""),
        (r"\b(?:square[ -]|sq\.? ?)([^\s/]+)|([^\s/]+) squared\b", r"\1\2^2"),
        (r"\b(?:cubic[ -]|cu\.? )([^\s/]+)|([^\s/]+) cubed\b", r"\1\2^3"),
        (
            r" (?:of .*|old|tall|long|wide|deep|high|thick|away|apart|each|in (?:total|all|length|area|height|width))$",
            "",
        ),
    )
)
"""Names of several words as one, and what says nothing about the size taken away: `cups of flour`, `feet tall`."""

_MARKS = str.maketrans({"⁻": "^-", "¹": "^1", "²": "^2", "³": "^3", **dict.fromkeys("~{}()")})
_FACTOR = re.compile(r"(?P<name>[^\s^/·*\d-]+)\^?(?P<power>-?[1-9])?")
_PER = re.compile(r" ?(?:/| per | an? ) ?", re.IGNORECASE)
_TIMES = re.compile(r" ?[·*⋅] ?|(?<=[\w.])[ -](?=[^\W\d])")


@lru_cache(maxsize=2048)
def find_unit(words: str, explicit: bool = False) -> Unit | None:
    """The unit that `words` name, such as `cm^2`, `square feet` or `miles per hour`; None for a word in no table.

    Single letters and ordinary words are units only if `explicit`: where it is known that a unit stands there. Case counts
    in symbols only where it tells one from another.
    """
    text = _tidy(words)
    if not text or len(text) > MAX_CHARS:
        return None
    if not explicit and (text.lower() in _ORDINARY or (len(text) == 1 and text.isalpha())):
        return None
    return _product(text, _table())


def convertible(one: Unit, other: Unit) -> Fraction | None:
    """What a value in `one` is multiplied with to be in `other`; None where they measure different things."""
    for reading in (one, *one.others):
        for other_reading in (other, *other.others):
            if reading.dimension == other_reading.dimension:
                return reading.factor / other_reading.factor
    return None


def _tidy(words: str) -> str:
    text = words[: 2 * MAX_CHARS].translate(_MARKS).replace("^-^", "^-").replace("**", "^")
    text = " ".join(text.replace(r"\circ", "°").replace("^°", "°").replace("\\", "").split())
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    return text


def _product(text: str, table: Mapping[str, Unit]) -> Unit | None:
    """Units with their powers, multiplied and divided."""
    dimension: dict[str, int] = {}
    factor = Fraction(1)
    for name, power in _factors(text):
        unit = _named(name, table)
        if unit is None:
            return None
        if name == text:
            return unit
        factor *= unit.factor**power
        for quantity, exponent in unit.dimension:
            dimension[quantity] = dimension.get(quantity, 0) + exponent * power
    return Unit(text, tuple(sorted((name, power) for name, power in dimension.items() if power)), factor)


def _factors(text: str) -> Iterator[tuple[str, int]]:
    for at, part in enumerate(_PER.split(text)):
        for piece in _TIMES.split(part):
            found = _FACTOR.fullmatch(piece)
            name, power = (found["name"], int(found["power"] or 1)) if found else ("", 1)
            if name == "ms" and power < 0:  # metres per second: nobody counts by inverse milliseconds
                yield "m", 1
                name = "s"
            yield name, -power if at else power


def _named(name: str, table: Mapping[str, Unit]) -> Unit | None:
    """The unit of one name: a symbol, whose case counts if it is in the table, or a word in any case and number."""
    name = name.rstrip(".") if len(name) > 1 else name
    if (unit := table.get(name)) is not None:
        return unit
    word = name.lower()
    forms = (word, *(word.removesuffix(plural) + singular for plural, singular in _PLURALS if word.endswith(plural)))
    return next((table[form] for form in forms if len(form) > 1 and form in table), None)


@cache
def _table() -> dict[str, Unit]:
    """All names of one word. Those in lower case are there too where they mean one unit only."""
    table: dict[str, Unit] = {}
    for spellings, definition in _DEFINITIONS.items():
        factor, _, units = definition.partition(" ")
        unit = _product(units, table) if units else Unit(definition, ((definition, 1),), Fraction(1))
        assert unit is not None, definition
        for name in spellings.split():
            table[name] = Unit(name, unit.dimension, unit.factor * Fraction(factor) if units else unit.factor)
    for spellings, prefixes in _PREFIXED.items():
        for prefix in prefixes.split():
            symbols, power = _PREFIXES[prefix]
            for name in spellings.split():
                for start in (prefix, *symbols):
                    unit = table[name]
                    table[start + name] = Unit(start + name, unit.dimension, unit.factor * Fraction(10) ** power)
    for name, others in _ALSO.items():
        unit = table[name]
        table[name] = Unit(name, unit.dimension, unit.factor, tuple(table[other] for other in others))
    folded: dict[str, set[Unit]] = {}
    for name, unit in table.items():
        if len(name) > 1:
            folded.setdefault(name.lower(), set()).add(unit)
    return {name: next(iter(units)) for name, units in folded.items() if len(units) == 1} | table
