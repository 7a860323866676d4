"""The decisions of hendrycks/math (modeling/math_equivalence.py, `is_equiv`): equal texts after a few rewritings."""

from __future__ import annotations

from skillforge_math_grader.presets.strings import Malformed, hendrycks_form


def decide(expected: str, predicted: str) -> tuple[bool, str]:
    """Whether `is_equiv` takes the answers for equal, and why.

    Order counts, letters of either case differ, 0.5 is the only decimal that is read as a fraction, and nothing is simplified.
    """
    try:
        equal = hendrycks_form(expected) == hendrycks_form(predicted)
    except Malformed as error:
        return expected == predicted, f"compared as they are: {error}"
    return equal, "the same text after rewriting" if equal else "different texts after rewriting"
