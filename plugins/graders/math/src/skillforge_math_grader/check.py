"""Whether two answers are the same: symmetric, reflexive, exact, and bounded in time for any text."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from skillforge_math_grader.normal import normalise, text_key
from skillforge_math_grader.numbers import Number, parse_number


class Check(NamedTuple):
    """The outcome, and how it came about."""

    equal: bool
    how: str


class Canonical(NamedTuple):
    """An answer as it is compared: its number where it is one, else its text."""

    text: str
    number: Number | None


def canonical(answer: str) -> Canonical:
    """The canonical form of `answer`."""
    return _canonical_cached(answer) if len(answer) <= 100 else _canonical(answer)


def check(first: str, second: str) -> Check:
    """Compare two answers.

    Numbers are compared as exact fractions, without tolerance. A percent sign on one side only may mean either that the
    other left it out (50% and 50) or that the other is the fraction (50% and 0.5); both are equal, and `how` says which.
    """
    if first == second:
        return Check(True, "identical text")
    one, two = canonical(first), canonical(second)
    if one.number and two.number:
        return _check_numbers(one.number, two.number)
    if one.number or two.number:
        return Check(False, "a number and a text")
    return Check(True, "same text") if one.text == two.text else Check(False, "different texts")


def group(answers: Sequence[str]) -> list[int]:
    """Number of the class of each answer, in near-linear time; class numbers are in order of first appearance.

    Classes are by value. An answer in percent joins the bare number where it is among the answers (50% and 50), else the
    fraction (50% and 0.5).
    """
    forms = [canonical(answer) for answer in answers]
    bare = {form.number.value for form in forms if form.number and not form.number.percent}
    numbers: defaultdict[object, int] = defaultdict(lambda: len(numbers))
    return [numbers[_group_key(form, bare)] for form in forms]


def _canonical(answer: str) -> Canonical:
    text = normalise(answer)
    number = parse_number(text)
    return Canonical("" if number else text_key(text), number)


_canonical_cached = functools.lru_cache(maxsize=4096)(_canonical)


def _check_numbers(one: Number, two: Number) -> Check:
    if one.value == two.value:
        return Check(True, "equal numbers" if one.percent == two.percent else "equal numbers, percent sign left out")
    if one.percent != two.percent:
        percent, other = (one, two) if one.percent else (two, one)
        if percent.value == other.value * 100:
            return Check(True, "equal numbers, percent as a fraction")
    return Check(False, "different numbers")


def _group_key(form: Canonical, bare: set[Fraction]) -> object:
    if form.number is None:
        return form.text
    value, percent = form.number
    if percent and value not in bare and value / 100 in bare:
        return value / 100
    return value
