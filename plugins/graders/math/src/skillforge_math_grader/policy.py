"""Policies: the choices on which careful people differ, by name."""

from __future__ import annotations

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as the same answer. The defaults are those of the policy `default`."""

    name: str
    missing_units: bool = True
    """One side may leave out the unit, the percent or degree sign, the currency, the base of a numeral."""

    percent_as_fraction: bool = True
    """50% is 0.5 (and, if units may be missing, 50)."""

    assignments: bool = True
    """`x = 5` is `5`, and `f(x) = x^2` is `x^2`."""

    unordered_lists: bool = True
    """Bare lists have no order, and braces around one may be left out."""

    rounding_digits: int | None = 5
    """An exact value equals a decimal that it rounds to with so many significant digits; None: never."""

    rounded_expected: bool = True
    """An expected decimal (two digits or more after the point) equals an irrational value that rounds to it."""

    synonyms: bool = True
    """`yes` is `true`, `undefined` is `does not exist`, `B` is `(b)`."""


DEFAULT = Policy(name="default")
STRICT = Policy(
    name="strict",
    missing_units=False,
    percent_as_fraction=False,
    assignments=False,
    unordered_lists=False,
    rounding_digits=None,
    rounded_expected=False,
    synonyms=False,
)
POLICIES = {policy.name: policy for policy in (DEFAULT, STRICT)}
PRESETS = ("hendrycks", "prm800k", "nemo-2024")
"""Policies that repeat the decisions of other graders, kept in `presets`."""
