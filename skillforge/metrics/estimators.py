"""Estimators for k attempts at one problem, from n ≥ k samples of it: pass@k and maj@k.

Both are the exact expectation over all k-subsets of the n samples, so nothing is drawn at random and the value does not
depend on the order of the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from skillforge.metrics.plurality import expected_plurality


def ks(n: int) -> list[int]:
    """The k that are reported for n samples a problem: 1, 2, 4, … below n, and n itself."""
    return [2**power for power in range(n.bit_length()) if 2**power < n] + [n] * (n > 0)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability (0 to 1) that at least one of k samples is correct, given c correct among n: 1 - C(n-c,k)/C(n,k).

    The unbiased estimator of Chen et al. (2021), "Evaluating Large Language Models Trained on Code", arXiv 2107.03374,
    section 2.1; in whole numbers up to the last division, so correctly rounded. ValueError unless 0 ≤ c ≤ n and
    1 ≤ k ≤ n.
    """
    if not 0 <= c <= n:
        raise ValueError(f"correct samples must be within 0 and n: got {c} of {n}")
    _check_k(k, n)
    if c == 0 or n - c < k:
        return float(c > 0)
    subsets = comb(n, k)
    return (subsets - comb(n - c, k)) / subsets


def maj_at_k(groups: Sequence[tuple[int, bool]], k: int, abstentions: int = 0) -> float:
    """Probability (0 to 1) that the plurality vote of k samples is correct (self-consistency, Wang et al. 2022,
    arXiv 2203.11171): expectation over all k-subsets of the samples, drawn without replacement.

    `groups` has one (votes, correct) for each class of equal answers. `abstentions` are samples without an answer: they
    are drawn into the subset like any other but do not vote, and a subset without any vote counts as wrong. Where t
    classes tie for the most votes each wins with probability 1/t. ValueError unless 1 ≤ k ≤ n, where n is all votes and
    abstentions.

    Exact up to rounding (about 1e-13), without enumeration: see `plurality`. Milliseconds for n ≤ 64; under half a
    second for the worst grouping of n = 512.
    """
    if abstentions < 0 or any(votes < 0 for votes, _ in groups):
        raise ValueError("votes and abstentions cannot be negative")
    _check_k(k, sum(votes for votes, _ in groups) + abstentions)
    return expected_plurality(groups, k, abstentions)


def _check_k(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k must be within 1 and the number of samples: got k={k} of {n}")
