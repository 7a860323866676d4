"""The table of units: what each measures, and the exact factors between them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge_math_grader.units import convertible, find_unit

SAME = [
    "cm  cm^1  centimeter  centimetres  Centimeters  CM  cms",
    "cm^2  cm²  cm2  cm^{2}  cm**2  square centimeters  sq. cm  cm squared  centimeters squared",
    "ft^2  square feet  square-feet  sq. ft.  sq ft  sqft  feet squared  feet^2",
    "cm^3  cc  cubic centimeters  mL  ml  milliliters",
    "km/h  km/hr  kmph  kph  kilometers per hour  km·h^-1  km h^{-1}",
    "mph  miles per hour  mile/hour  mi/h  miles an hour",
    "m/s^2  m/s/s  m s^{-2}  m s⁻²  ms^{-2}  meters per second squared  meters per second per second",
    "N  newtons  kg m/s^2  kg·m/s²  kg*m*s^-2",
    "N·m  N m  Nm  J  joules  W·s",
    "kW  kilowatts  kJ/s",
    "g/cm^3  g/(cm^3)  grams per cubic centimeter  g·cm^{-3}",
    "kg  kgs  KG  Kg  kilograms",
    "lb  lbs  lbs.  pounds",
    "oz  ounces",
    "h  hr  hrs  hours",
    "s  sec  secs  seconds",
    "in  in.  inch  inches",
    "$  dollars  USD  US dollars",
    "¢  cents  pennies",
    "€  euros  EUR",
    "%  percent  percentage points",
    "°  degrees  deg  ^\\circ  ^{\\circ}",
    "°C  degrees Celsius  degree C  ° C  ^\\circ C  ^\\circC",
    "floz  fl oz  fl. oz.  fluid ounces",
    "dollars per hour  $/hour  dollars an hour",
    "M  mol/L  moles per liter",
    "cups  cups of flour  cups each",
    "feet  feet tall  feet in length",
]


@pytest.mark.parametrize("spellings", SAME, ids=lambda line: line.split("  ")[0])
def test_spellings_of_one_unit(spellings: str) -> None:
    units = [find_unit(words, explicit=True) for words in spellings.split("  ")]
    assert all(unit is not None and units[0] is not None and convertible(units[0], unit) == 1 for unit in units)


@pytest.mark.parametrize(
    ("one", "other", "factor"),
    [
        ("m", "cm", "100"),
        ("feet", "inches", "12"),
        ("inch", "cm", "2.54"),
        ("mile", "feet", "5280"),
        ("yards", "ft", "3"),
        ("hours", "minutes", "60"),
        ("weeks", "days", "7"),
        ("year", "months", "12"),
        ("kg", "g", "1000"),
        ("pound", "ounces", "16"),
        ("tons", "lbs", "2000"),
        ("metric tons", "kg", "1000"),
        ("gallon", "quarts", "4"),
        ("gallon", "cubic inches", "231"),
        ("quart", "cups", "4"),
        ("cup", "fluid ounces", "8"),
        ("cup", "tablespoons", "16"),
        ("acre", "square yards", "4840"),
        ("hectare", "m^2", "10000"),
        ("L", "cm^3", "1000"),
        ("m^3", "liters", "1000"),
        ("m/s", "km/h", "3.6"),
        ("dollars", "cents", "100"),
        ("dollars per hour", "cents per minute", "5/3"),
        ("bytes", "bits", "8"),
        ("kWh", "kJ", "3600"),
        ("MHz", "kHz", "1000"),
        ("rpm", "degrees per second", "6"),
    ],
)
def test_factors_are_exact_in_both_directions(one: str, other: str, factor: str) -> None:
    first, second = find_unit(one, explicit=True), find_unit(other, explicit=True)
    assert first and second
    assert convertible(first, second) == Fraction(factor)
    assert convertible(second, first) == 1 / Fraction(factor)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cm", "cm^2"),
        ("cm^2", "cm^3"),
        ("cm", "kg"),
        ("m", "m/s"),
        ("dollars", "euros"),
        ("$", "£"),
        ("yen", "yuan"),
        ("months", "days"),  # months have no fixed length
        ("degrees", "radians"),
        ("percent", "degrees"),
        ("°C", "°F"),
        ("lb", "£"),
    ],
)
def test_units_of_other_quantities_are_not_convertible(one: str, other: str) -> None:
    first, second = find_unit(one, explicit=True), find_unit(other, explicit=True)
    assert first and second
    assert convertible(first, second) is None


@pytest.mark.parametrize(
    ("word", "first", "second"),
    [("pounds", "£", "kg"), ("¥", "yen", "yuan"), ("degrees", "°F", "°C"), ("ounces", "grams", "fl oz")],
)
def test_a_word_with_two_meanings_goes_with_both(word: str, first: str, second: str) -> None:
    unit = find_unit(word)
    for other in (find_unit(first), find_unit(second)):
        assert unit and other
        assert convertible(unit, other) is not None
        assert convertible(other, unit) is not None


@pytest.mark.parametrize(
    "words",
    [
        "",
        " ",
        "apples",
        "dozen",
        "eggs per day",
        "fresh duck eggs",
        "^2",
        "/",
        "per",
        "square units",
        "points",
        "m" * 400,
    ],
)
def test_other_words_are_no_units(words: str) -> None:
    assert find_unit(words) is None
    assert find_unit(words, explicit=True) is None


@pytest.mark.parametrize("word", ["m", "s", "g", "h", "L", "N", "J", "A", "in", "us"])
def test_letters_and_ordinary_words_are_units_only_where_one_must_stand(word: str) -> None:
    assert find_unit(word) is None
    assert find_unit(word, explicit=True) is not None


def test_case_tells_symbols_apart_where_both_are_in_use() -> None:
    mega, milli = find_unit("MW"), find_unit("mW")
    assert mega and milli
    assert convertible(mega, milli) == 10**9
    assert find_unit("mw") is None
    assert find_unit("MM") == find_unit("mm")


@settings(deadline=None)
@given(st.text(max_size=80) | st.text("cmskg²^-{}/ ·per$%°sqftin.", max_size=40))
def test_any_words_are_taken(words: str) -> None:
    unit = find_unit(words, explicit=True)
    assert unit is None or convertible(unit, unit) == 1
