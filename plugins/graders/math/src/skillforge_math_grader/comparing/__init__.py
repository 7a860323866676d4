"""The shape rules: what two trees must share to be the same answer."""

from __future__ import annotations

from skillforge_math_grader.comparing.comparison import Comparison
from skillforge_math_grader.finding import Finding
from skillforge_math_grader.policy import Policy
from skillforge_math_grader.tree import Node

__all__ = ["compare"]


def compare(expected: Node, predicted: Node, policy: Policy) -> Finding:
    """Compare two readings of answers."""
    return Comparison(policy).nodes(expected, predicted)
