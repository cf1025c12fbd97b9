"""Groups of numbers on a line."""

from __future__ import annotations

import numpy as np

from polytask.balancing.solvers.round_off import Vector


def group_means(values: Vector, groups: int) -> Vector:
    """Return for every number the mean of its group, for the division into at most K groups with the least squared distances to means.

    On a line, groups are intervals of the sorted numbers, so that dynamic programming over their ends finds the best division exactly, in
    O(K n²) operations.

    Args:
        values: (n,) numbers.
        groups: Largest number K of groups, at least 1.

    Example:
        >>> group_means(np.array([1.0, 5.0, 1.5, 6.0]), groups=2)
        array([1.25, 5.5 , 1.25, 5.5 ])
    """
    n, order = len(values), np.argsort(values, kind="stable")
    size = max(float(np.abs(values).max()), np.finfo(np.float64).tiny)
    ordered = values[order] / size  # squares of large numbers would overflow
    costs = np.full((n + 1, n + 1), np.inf)
    for start in range(n):
        for end in range(start + 1, n + 1):
            costs[start, end] = np.square(ordered[start:end] - ordered[start:end].mean()).sum()
    best, ends = np.full(n + 1, np.inf), []
    best[0] = 0.0
    for _ in range(min(groups, n)):
        totals = best[:, None] + costs
        ends.append(totals.argmin(0))
        best = totals.min(0)
    means, end = np.empty(n), n
    for starts in reversed(ends):
        start = int(starts[end])
        means[order[start:end]] = ordered[start:end].mean() * size
        end = start
    return means
