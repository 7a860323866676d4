"""Units: their dimensions, and their exact factors."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

import msgspec

Dimension = tuple[tuple[str, int], ...]
"""Base quantities with their exponents, sorted: `(("length", 1), ("time", -1))`."""


class Unit(msgspec.Struct, frozen=True):
    """A unit: what it measures, and how many base units it is."""

    name: str
    dimension: Dimension
    factor: Fraction


_BASES: dict[str, tuple[str, str]] = {
    # spellings: the quantity, and how many of its base units
    "m meter metre": ("length", "1"),
    "in inch inches": ("length", "0.0254"),
    "ft foot feet": ("length", "0.3048"),
    "yd yard": ("length", "0.9144"),
    "mi mile": ("length", "1609.344"),
    "s sec second": ("time", "1"),
    "min minute": ("time", "60"),
    "h hr hour": ("time", "3600"),
    "day": ("time", "86400"),
    "week wk": ("time", "604800"),
    "month": ("month", "1"),
    "year yr": ("month", "12"),
    "decade": ("month", "120"),
    "century centuries": ("month", "1200"),
    "g gram gm": ("mass", "1"),
    "lb pound": ("mass", "453.59237"),
    "oz ounce": ("mass", "28.349523125"),
    "tonne": ("mass", "1000000"),
    "ton": ("ton", "1"),
    "L l liter litre": ("volume", "1"),
    "gal gallon": ("volume", "3.785411784"),
    "qt quart": ("volume", "0.946352946"),
    "pt pint": ("volume", "0.473176473"),
    "cup": ("volume", "0.2365882365"),
    "tbsp tablespoon": ("volume", "0.01478676478125"),
    "tsp teaspoon": ("volume", "0.00492892159375"),
    "acre": ("area", "4046.8564224"),
    "hectare ha": ("area", "10000"),
    "N newton": ("force", "1"),
    "J joule": ("energy", "1"),
    "cal calorie": ("energy", "4.184"),
    "eV": ("electronvolt", "1"),
    "W watt": ("power", "1"),
    "Hz hertz": ("frequency", "1"),
    "Pa pascal": ("pressure", "1"),
    "atm atmosphere": ("pressure", "101325"),
    "V volt": ("voltage", "1"),
    "A amp ampere": ("current", "1"),
    "ohm Ω": ("resistance", "1"),
    "C coulomb": ("charge", "1"),
    "K kelvin": ("temperature", "1"),
    "°C ^\\circC celsius centigrade": ("celsius", "1"),
    "°F ^\\circF fahrenheit": ("fahrenheit", "1"),
    "mol mole": ("amount", "1"),
    "M molar": ("molarity", "1"),
    "bit": ("information", "1"),
    "B byte": ("information", "8"),
    "degree deg ° ^\\circ": ("degree", "1"),
    "radian rad": ("radian", "1"),
    "$ dollar USD buck ＄": ("dollar", "1"),
    "cent ¢": ("dollar", "0.01"),
    "nickel": ("dollar", "0.05"),
    "dime": ("dollar", "0.1"),
    "quarter": ("dollar", "0.25"),
    "€ euro EUR": ("euro", "1"),
    "£ GBP": ("sterling", "1"),
    "¥ yen JPY yuan RMB": ("yen", "1"),
    "₹ rupee INR": ("rupee", "1"),
    "% percent percentage": ("percent", "1"),
}
_ABBREVIATIONS = {"mph": "mile/hour", "kph": "km/h", "kmh": "km/h", "cc": "cm^3", "fps": "ft/s", "kWh": "kW·h"}
_PREFIXES = {
    "kilo": "k", "mega": "M", "giga": "G", "centi": "c", "milli": "m", "micro": "μ", "nano": "n", "deci": "d", "hecto": "h",
    "tera": "T",
}  # fmt: skip
_PREFIX_FACTORS = {
    "k": 3, "M": 6, "G": 9, "T": 12, "h": 2, "d": -1, "c": -2, "m": -3, "μ": -6, "µ": -6, "u": -6, "n": -9,
}  # fmt: skip
_PREFIXED = frozenset("m s g L l N J W Hz Pa V A mol B bit eV cal ohm".split())
_PREFIXED_WORDS = frozenset(
    "meter metre second gram liter litre newton joule watt hertz pascal volt amp byte bit calorie".split()
)

_DERIVED: dict[str, Dimension] = {"volume": (("length", 3),), "area": (("length", 2),), "frequency": (("time", -1),)}
_DERIVED_FACTORS = {"volume": Fraction(1, 1000)}
"""Litres are counted in cubic metres."""

_FACTOR = re.compile(r"(?P<name>[^\s^/·*-]+)(?:\^\{?(?P<power>-?[1-9])\}?)?")
_SQUARE = re.compile(r"(?:square|sq\.?) (?P<unit>\S+)|(?P<unit2>\S+) squared", re.IGNORECASE)
_CUBE = re.compile(r"(?:cubic|cu\.?) (?P<unit>\S+)|(?P<unit2>\S+) cubed", re.IGNORECASE)
_PER = re.compile(r" ?(?:/| per | an? ) ?", re.IGNORECASE)
_TIMES = re.compile(r" ?[·*] ?|(?<=[A-Za-z0-9}])[ -](?=[A-Za-z])")


@lru_cache(maxsize=2048)
def find_unit(words: str, explicit: bool = False) -> Unit | None:
    """The unit that `words` name, such as `cm^2`, `square feet` or `miles per hour`; None for a word in no table.

    Single letters are units only if `explicit`: where it is known that a unit stands there.
    """
    text = words.strip().strip("~\\ ").replace("**", "^").replace("{", "").replace("}", "")
    if not text or len(text) > 60 or (len(text) == 1 and text.isalpha() and not explicit):
        return None
    parts = _PER.split(text)
    dimension: dict[str, int] = {}
    factor = Fraction(1)
    for at, part in enumerate(parts):
        for name, power in _factors(part):
            unit = _simple(name)
            if unit is None:
                return None
            power = -power if at else power
            factor *= unit.factor**power
            for quantity, exponent in unit.dimension:
                dimension[quantity] = dimension.get(quantity, 0) + exponent * power
    return Unit(text, tuple(sorted((name, power) for name, power in dimension.items() if power)), factor)


def convertible(one: Unit, other: Unit) -> Fraction | None:
    """What a value in `one` is multiplied with to be in `other`; None where they measure different things."""
    return one.factor / other.factor if one.dimension == other.dimension else None


def _factors(part: str) -> list[tuple[str, int]]:
    part = _SQUARE.sub(lambda found: f"{found['unit'] or found['unit2']}^2", part)
    part = _CUBE.sub(lambda found: f"{found['unit'] or found['unit2']}^3", part)
    factors = []
    for piece in _TIMES.split(part.strip()):
        found = _FACTOR.fullmatch(piece)
        factors.append((found["name"], int(found["power"] or 1)) if found else ("", 1))
    return factors


def _simple(name: str) -> Unit | None:
    """A unit without powers: its symbol (case counts) or its word, with a prefix."""
    name = name.rstrip(".") if len(name) > 1 else name
    if not name:
        return None
    if name in _ABBREVIATIONS:
        return find_unit(_ABBREVIATIONS[name], explicit=True)
    if (unit := _TABLE.get(name)) is not None:
        return unit
    if name[0] in _PREFIX_FACTORS and name[1:] in _PREFIXED:
        return _scaled(_TABLE[name[1:]], _PREFIX_FACTORS[name[0]], name)
    word = name.lower()
    for prefix, symbol in _PREFIXES.items():
        if word.startswith(prefix) and (rest := _singular(word.removeprefix(prefix))) in _PREFIXED_WORDS:
            return _scaled(_TABLE[rest], _PREFIX_FACTORS[symbol], name)
    if len(word) < 2:
        return None
    return _TABLE.get(word) or _TABLE.get(_singular(word)) or _SYMBOLS.get(word)


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 2 else word


def _scaled(unit: Unit, power_of_ten: int, name: str) -> Unit:
    return Unit(name, unit.dimension, unit.factor * Fraction(10) ** power_of_ten)


def _make_table() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    for spellings, (quantity, factor) in _BASES.items():
        dimension = _DERIVED.get(quantity, ((quantity, 1),))
        exact = Fraction(factor) * _DERIVED_FACTORS.get(quantity, 1)
        for name in spellings.split():
            table[name] = Unit(name, dimension, exact)
    return table


_TABLE = _make_table()
_SYMBOLS = {name.lower(): unit for name, unit in _TABLE.items() if len(name) > 1}
