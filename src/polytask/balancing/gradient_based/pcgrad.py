"""Projection of conflicting gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.statistic import Statistic


@final
class PCGrad(Balancer):
    """Gradient surgery, which removes from every gradient what opposes the others (Yu et al., NeurIPS 2020, algorithm 1).

    For each task i, start with v = g_i; for the other tasks j in a random order: if v · g_j < 0,

        v ← v − (v · g_j / ‖g_j‖²) g_j

    The direction is d = Σ_i v. Without conflict it is the plain sum. The computation updates the coefficients of v for all tasks
    at once; it needs only the Gramian, and no vector of P numbers. A zero row opposes no task. Heads get the plain gradient of their task.

    Scale: as in the paper, a sum.

    Defaults: the method has no options.

    Deviations: none. The orders come from the balancer's random generator.

    Fails: with three or more tasks the result depends on the orders, and may oppose a task (with two it does not).

    Example:
        >>> PCGrad().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.5848, 3.8012, 3.8012])
    """

    def __init__(self) -> None:
        self._stream = RandomStream()

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return the sum over i of the coefficients of v."""
        G = statistic.gramian().numpy()
        tasks = np.arange(len(G))
        C, products = np.eye(len(G)), G.copy()  # the coefficients of every v, and its inner products with every g_j
        for others in random_orders(self._stream, len(G)).T:
            cosines = products[tasks, others]
            squares = G[others, others]
            removed = np.where(cosines < 0.0, cosines / np.where(squares > 0.0, squares, 1.0), 0.0)
            C[tasks, others] -= removed
            products -= removed[:, None] * G[others]
        return Weights(torch.from_numpy(C.sum(0)), heads=False)

    def seed(self, seed: int) -> None:
        """Seed the random orders."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._stream.load_state_dict(state)


def random_orders(stream: RandomStream, tasks: int) -> np.ndarray:
    """Return a random order of the other tasks for every task: (T, T − 1)."""
    # Sorting random keys shuffles each row; the largest key puts the task itself last, where it is cut off.
    keys = stream.uniform(tasks, tasks).numpy()
    np.fill_diagonal(keys, 2.0)
    return keys.argsort(axis=1)[:, : tasks - 1]
