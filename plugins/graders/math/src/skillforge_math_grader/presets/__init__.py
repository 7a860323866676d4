"""Policies that repeat the decisions of graders that published tables were made with.

Each module has `decide(expected, predicted)`: whether its grader takes the answers for equal, and by which rule. The rules on
texts are theirs, oddities included. Where a grader had sympy evaluate a text, our parser reads it and our tests compare the
values: what made the original run code, hang or fail counts as different.
"""

from __future__ import annotations

from skillforge_math_grader.presets import hendrycks, nemo_2024, prm800k

MAX_CHARS = 20_000
"""Longer answers are equal only if they are the same text."""

_DECIDERS = {"hendrycks": hendrycks.decide, "prm800k": prm800k.decide, "nemo-2024": nemo_2024.decide}


def decide(preset: str, expected: str, predicted: str) -> tuple[bool, str]:
    """Whether the grader `preset` takes `predicted` for `expected`, and why."""
    if max(len(expected), len(predicted)) > MAX_CHARS:
        return expected == predicted, "too long for more than a comparison of texts"
    return _DECIDERS[preset](expected, predicted)
