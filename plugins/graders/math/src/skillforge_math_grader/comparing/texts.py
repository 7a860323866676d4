"""Words."""

from __future__ import annotations

from skillforge_math_grader.comparing.relations import assigned_values
from skillforge_math_grader.finding import Finding
from skillforge_math_grader.realsets import Shapeless, real_set, same_set
from skillforge_math_grader.tree import Node, Quantity, Relation, Text


def compare_texts(a: Node, b: Node) -> Finding:
    if isinstance(a, Text) and isinstance(b, Text):
        return Finding(a.words == b.words, "text", "the same words" if a.words == b.words else "different words")
    text, other = (a, b) if isinstance(a, Text) else (b, a)
    assert isinstance(text, Text)
    if text.words == "all real numbers":
        try:
            return Finding(bool(same_set(real_set(text), real_set(other))), "interval", "all real numbers")
        except Shapeless:
            pass
    if isinstance(other, Relation) and (assigned := assigned_values(other)) is not None and len(assigned[1]) == 1:
        return compare_texts(text, assigned[1][0])
    if isinstance(other, Quantity):
        return Finding(False, "text", "words and a quantity")
    return Finding(False, "text", "words and mathematics")
