"""The exact probability that a plurality vote of k samples, drawn without replacement from n, is correct.

Draw every sample independently with probability p = k/n. Given that k were drawn, the subset is uniform; so with X the
number drawn, P(vote correct | X = k) is wanted. Let every class of equal answers break ties by a uniform priority of
its own: this is the even split. Class j then wins at w votes with priority u if every other class has fewer votes, or
just as many and a lower priority. With z marking the samples drawn, and for a class of v samples

    low_v(z) = Σ_{x<w} b_v(x) z^x        tie_v(z) = b_v(w) z^w        b_v(x) = C(v,x) p^x (1-p)^(v-x)

the wanted probability is, with S the samples that cannot reach w votes (abstentions, and all classes of v < w),

    1/P(X=k) · [z^k] Σ_w (1-p+pz)^S ∫₀¹ Σ_{j correct} tie_j Π_{i≠j} (low_i + u·tie_i) du.

The coefficient comes from a discrete Fourier sum on the unit circle, where p = k/n puts the saddle point: it costs no
digits, and about 9 standard deviations of X are enough points. The integral over u is of a polynomial: Gauss-Legendre
is exact. Classes of the same size share their factor, and for w above the second largest class a binomial formula is
all that is needed. So the work is about points × Σ_w (classes ≥ w)/2 × (different sizes ≥ w), and no number overflows
for any n.
"""

from __future__ import annotations

from cmath import exp
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from math import comb, cos, lgamma, log, pi

_NEGLIGIBLE = -40.0
"""Natural logarithm of the share of X's distribution that may fall together with k (4e-18)."""

Size = tuple[int, int, int]
"""(votes, classes with that many votes, how many of these are correct)."""


def expected_plurality(groups: Iterable[tuple[int, bool]], k: int, abstentions: int) -> float:
    """Probability (0 to 1) that the vote is correct; see `estimators.maj_at_k`, which checks the arguments."""
    number: Counter[int] = Counter()
    right: Counter[int] = Counter()
    for votes, correct in groups:
        if votes:
            number[votes] += 1
            right[votes] += bool(correct)
    sizes = tuple((votes, number[votes], right[votes]) for votes in sorted(number, reverse=True))
    return _probability(sizes, k, abstentions)


@lru_cache(maxsize=16384)
def _probability(sizes: tuple[Size, ...], k: int, abstentions: int) -> float:
    """`sizes` by falling votes. Cached: many problems of a run share their votes (all right, all wrong, …)."""
    n = abstentions + sum(votes * classes for votes, classes, _ in sizes)
    if not any(right for _, _, right in sizes):
        return 0.0
    if all(classes == right for _, classes, right in sizes):
        return (comb(n, k) - comb(abstentions, k)) / comb(n, k)
    if k == n:
        return sizes[0][2] / sizes[0][1]
    (largest, at_top, top_right) = sizes[0]
    second = largest if at_top > 1 else sizes[1][0]
    alone = sum(comb(largest, votes) * comb(n - largest, k - votes) for votes in range(second + 1, min(largest, k) + 1))
    contested = min(second, k, max(votes for votes, _, right in sizes if right))
    share = (alone / comb(n, k) if top_right else 0.0) + _contested(sizes, k, n, contested)
    return min(1.0, max(0.0, share))


def _contested(sizes: tuple[Size, ...], k: int, n: int, highest: int) -> float:
    """Probability that a correct class wins with 1 to `highest` votes."""
    weights = [[_binomial(votes, x, k, n) for x in range(min(votes, highest) + 1)] for votes, _, _ in sizes]
    able = [sum(votes >= level for votes, _, _ in sizes) for level in range(highest + 1)]
    unable = [n - sum(votes * classes for votes, classes, _ in sizes[: able[level]]) for level in range(highest + 1)]
    rules = []
    for level in range(highest + 1):
        rivals = sum(classes for _, classes, _ in sizes[: able[level]]) - 1
        rules.append(_gauss(max(0, min(rivals, k // max(1, level) - 1)) // 2 + 1))
    points = _points(n, k)
    total = 0.0
    for point in range(points // 2 + 1):
        z = exp(2j * pi * point / points)
        below = [0j] * len(sizes)
        power = 1 + 0j
        found = 0j
        outside = 1 - k / n + k / n * z
        for level in range(1, highest + 1):
            following = power * z
            factors = []
            for place in range(able[level]):
                below[place] += weights[place][level - 1] * power
                _, classes, right = sizes[place]
                factors.append((below[place], weights[place][level] * following, classes - 1, right))
            found += outside ** unable[level] * _win(factors, rules[level])
            power = following
        mirrored = point not in (0, points - point)
        total += (1 + mirrored) * (found * exp(-2j * pi * point * k / points)).real
    return total / points / _binomial(n, k, k, n)


def _win(factors: list[tuple[complex, complex, int, int]], rule: tuple[tuple[float, float], ...]) -> complex:
    """∫₀¹ Σ_{j correct} tie_j Π_{i≠j} (low_i + u·tie_i) du, classes of one size taken together."""
    integral = 0j
    for u, weight in rule:
        nobody, somebody = 1 + 0j, 0j
        for low, tie, others, right in factors:
            factor = low + u * tie
            rest = factor**others
            full = rest * factor
            somebody = somebody * full + nobody * (right * tie * rest)
            nobody *= full
        integral += weight * somebody
    return integral


def _binomial(n: int, x: int, k: int, of: int) -> float:
    """C(n,x) p^x (1-p)^(n-x) for p = k/of, correctly rounded."""
    return float(comb(n, x) * k**x * (of - k) ** (n - x) / of**n)


def _points(n: int, k: int) -> int:
    """Points on the circle: the sum cannot tell k from k ± points, so these must be all but impossible."""

    def log_binomial(x: int) -> float:
        if not 0 <= x <= n:
            return -float("inf")
        chance = lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1)
        return chance + x * log(k / n) + (n - x) * log(1 - k / n)

    limit = log_binomial(k) + _NEGLIGIBLE
    points = 1
    while max(log_binomial(k - points), log_binomial(k + points)) > limit:
        points += 1
    return points


@lru_cache(maxsize=1024)
def _gauss(number: int) -> tuple[tuple[float, float], ...]:
    """Gauss-Legendre (point, weight) on 0 to 1, exact for polynomials up to degree 2·number - 1."""
    rule = []
    for place in range(number):
        x = cos(pi * (place + 0.75) / (number + 0.5))
        for _ in range(100):
            before, value = 1.0, x
            for degree in range(2, number + 1):
                before, value = value, ((2 * degree - 1) * x * value - (degree - 1) * before) / degree
            slope = number * (x * value - before) / (x * x - 1)
            step = value / slope
            x -= step
            if abs(step) < 1e-15:
                break
        rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return tuple(rule)
