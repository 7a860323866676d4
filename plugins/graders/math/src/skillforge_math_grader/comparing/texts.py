"""Words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge_math_grader.comparing.relations import REALS, assigned_values
from skillforge_math_grader.finding import Finding
from skillforge_math_grader.tree import INFINITY, Group, Node, Relation, Symbol, Text, letters, negated
from skillforge_math_grader.words import meaning

if TYPE_CHECKING:
    from skillforge_math_grader.comparing.comparison import Comparison

_NOTHING = Group("{", (), "}")
_IN_SYMBOLS = {
    "no solution": _NOTHING,
    "all real numbers": REALS,
    "all integers": Symbol("mathbb Z"),
    "infinitely many": INFINITY,
    "negative infinity": negated(INFINITY),
}


def compare_texts(comparison: Comparison, a: Node, b: Node) -> Finding:
    """Words against words, or against what they stand for."""
    if isinstance(a, Text) and isinstance(b, Text):
        same = a.words.replace(" ", "") == b.words.replace(" ", "") or (
            comparison.policy.synonyms and meaning(a.words) == meaning(b.words)
        )
        return Finding(same, "text", "the same words" if same else "different words")
    text, other = (a, b) if isinstance(a, Text) else (b, a)
    assert isinstance(text, Text)
    symbols = _IN_SYMBOLS.get(meaning(text.words)) if comparison.policy.synonyms else None
    if symbols is not None:
        return comparison.nodes(symbols, other)
    if (written := letters(other)) is not None and written.isalpha():  # \text{VW} and vw
        return Finding(written.casefold() == text.words, "text", "the same letters, or others")
    if isinstance(other, Relation) and (assigned := assigned_values(other)) is not None and len(assigned[1]) == 1:
        return comparison.nodes(text, assigned[1][0])
    return Finding(False, "text", "words and something else")
