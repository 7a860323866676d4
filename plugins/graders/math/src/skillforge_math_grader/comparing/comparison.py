"""The comparison of two trees: which rule applies, and what lists of items have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from skillforge_math_grader.comparing.lists import compare_groups, compare_matrices
from skillforge_math_grader.comparing.measures import compare_numerals, compare_quantities, compare_ratios
from skillforge_math_grader.comparing.relations import compare_relations, is_condition_list
from skillforge_math_grader.comparing.signs import compare_signed, has_sign
from skillforge_math_grader.comparing.texts import compare_texts
from skillforge_math_grader.comparing.values import compare_expressions
from skillforge_math_grader.effort import COMPARISON, effort
from skillforge_math_grader.finding import Finding
from skillforge_math_grader.identity import fingerprint
from skillforge_math_grader.policy import Policy
from skillforge_math_grader.tree import (
    Based,
    Group,
    Matrix,
    Node,
    Quantity,
    Ratio,
    Relation,
    SetExpression,
    Symbol,
    Text,
)

MAX_PAIRWISE = 60
"""Longer lists are matched by fingerprints alone."""


class Comparison:
    """Compares trees under a policy. Rules for one shape call back for the parts."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._left = effort()

    def nodes(self, a: Node, b: Node) -> Finding:
        self._left.steps -= COMPARISON
        if self._left.steps < 0:
            return Finding(None, "list", "it would take too many comparisons")
        if a == b:
            return Finding(True, "identical", "the same expression")
        if isinstance(a, Text) or isinstance(b, Text):
            return compare_texts(self, a, b)
        if is_condition_list(a) or is_condition_list(b):
            finding = compare_relations(self, a, b)
            if finding is not None:
                return finding
        for kind, rule in _RULES:
            if isinstance(a, kind) or isinstance(b, kind):
                finding = rule(self, a, b)
                if finding is not None:
                    return finding
        if has_sign(a) or has_sign(b):
            return compare_signed(self, a, b)
        if isinstance(a, Group) or isinstance(b, Group):
            return compare_groups(self, a, b)
        return compare_expressions(self, a, b)

    def distinct(self, items: Sequence[Node]) -> Sequence[Node]:
        if len(items) > MAX_PAIRWISE:
            return list({fingerprint(item): item for item in items}.values())
        kept: list[Node] = []
        for item in items:
            if not any(self.nodes(item, other).equal for other in kept):
                kept.append(item)
        return kept

    def in_order(self, one: Sequence[Node], two: Sequence[Node], stage: str = "list") -> Finding:
        if len(one) != len(two):
            return Finding(False, stage, f"{len(one)} items and {len(two)}")
        findings = []
        for a, b in zip(one, two, strict=True):
            findings.append(self.nodes(a, b))
            if findings[-1].equal is False:
                break
        return self.all(findings, stage, "the same items")

    def in_any_order(self, one: Sequence[Node], two: Sequence[Node]) -> Finding:
        if len(one) != len(two):
            return Finding(False, "list", f"{len(one)} items and {len(two)}")
        if len(one) > MAX_PAIRWISE:
            marks = Counter(map(fingerprint, one)), Counter(map(fingerprint, two))
            known = not any(mark[0] == "tree" for mark in (*marks[0], *marks[1]))
            equal = True if marks[0] == marks[1] else False if known else None
            return Finding(equal, "list", "items by their fingerprints")
        rest, findings = list(two), []
        for item in one:
            tried = [(other, self.nodes(item, other)) for other in rest]
            match = next((pair for pair in tried if pair[1].equal), None)
            if match is None:
                undecided = any(finding.equal is None for _, finding in tried)
                return Finding(None if undecided else False, "list", "an item without its like")
            rest.remove(match[0])
            findings.append(match[1])
        return self.all(findings, "list", "the same items in any order")

    def all(self, findings: Sequence[Finding], stage: str, reason: str) -> Finding:
        for finding in findings:
            if finding.equal is False:
                return Finding(False, stage, f"an item differs: {finding.reason}")
        if any(finding.equal is None for finding in findings):
            return Finding(None, stage, "an item is undecided")
        return Finding(True, stage, reason)


_RULES: tuple[tuple[Any, Callable[[Comparison, Node, Node], Finding | None]], ...] = (
    (Relation | SetExpression | Symbol, compare_relations),
    (Quantity, compare_quantities),
    (Based, compare_numerals),
    (Ratio, compare_ratios),
    (Matrix, compare_matrices),
)
