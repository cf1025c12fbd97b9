"""Balancing of the tasks that have a gradient, beside tasks whose gradient is zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from polytask.balancing.balancer import Weights


def weigh_nonzero_rows(G: np.ndarray, solve: Callable[[np.ndarray], np.ndarray | None]) -> Weights:
    """Return the weights of the rows that are not zero, as if there were no others; a zero row gets the weight 0.

    A task whose gradient is zero is at its optimum, and has no opinion about the direction: it neither stops the others nor counts
    among them. If all rows are zero, there is nothing to combine.

    Args:
        G: (T, T) Gramian.
        solve: Function that returns the weights of rows with a given Gramian, or `None` if there are none.

    Example:
        >>> weigh_nonzero_rows(np.diag([4.0, 0.0]), lambda G: 1.0 / np.sqrt(G.diagonal())).values
        tensor([0.5000, 0.0000], dtype=torch.float64)
    """
    weights = np.zeros(len(G))
    kept = np.flatnonzero(G.diagonal() > 0.0)
    if len(kept):
        found = solve(G if len(kept) == len(G) else G[np.ix_(kept, kept)])
        if found is None:
            return Weights(torch.from_numpy(weights), heads=False, solved=False)
        weights[kept] = found
    return Weights(torch.from_numpy(weights), heads=False)
