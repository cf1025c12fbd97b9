"""Gradient vaccine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, GroupWeights, Weights
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.gradient_based.pcgrad import random_orders
from polytask.balancing.needs import Gramian, Needs, ParameterGrouping
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

_LARGEST_COSINE = 1.0 - 1e-9  # no finite multiple of g_j makes v parallel to it


@final
class GradVac(Balancer):
    """Gradients are turned towards each other until their cosines are what they usually are (Wang et al., ICLR 2021, eq. 3).

    φ_ij is a moving average of cos(g_i, g_j), from 0. For each task i, v = g_i; for the other tasks j in a random order, with
    c = cos(v, g_j): if c < φ_ij,

        v ← v + ‖v‖ (φ_ij √(1 − c²) − c √(1 − φ_ij²)) / (‖g_j‖ √(1 − φ_ij²)) · g_j

    which makes that cosine φ_ij; then φ_ij ← (1 − β) φ_ij + β c. And d = Σ_i v. At φ = 0, as in the first step, it is PCGrad. As
    there, all of it happens on the Gramian; here for each group of parameters on its own.

    Scale: the paper's own, a sum. A zero row has no angle: it turns nobody, is not turned, and teaches nothing. Heads get
    the plain gradient of their own task.

    Defaults: β = 0.01 (paper, section 4); groups `whole` (the paper also takes layers and single matrices).

    Deviations: none. The orders are the same for all groups, and come from the balancer's own generator.

    Fails: where φ is near 1, small differences of direction are enlarged; as with PCGrad, d may oppose a task.

    Args:
        beta: β, how fast φ follows, in (0, 1].
        groups: `whole`, `layer` or `matrix`.

    Raises:
        ConfigError: β is out of its range.

    Example:
        >>> GradVac().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.5848, 3.8012, 3.8012])
    """

    remembers_gradients = True

    def __init__(self, beta: float = 0.01, groups: ParameterGrouping = "whole") -> None:
        if not 0 < beta <= 1:
            raise ConfigError("a number above 0 and up to 1 is needed", where="gradvac, beta", found=beta)
        if groups not in ("whole", "layer", "matrix"):
            raise ConfigError("unknown groups", where="gradvac, groups", found=groups, remedy="Choose from: whole, layer, matrix")
        self.beta, self.groups = beta, groups
        self._stream = RandomStream()
        self._usual: dict[str, dict[str, list[float]]] = {}

    def needs(self) -> Needs:
        """The Gramian of every group."""
        return Gramian(self.groups)

    def weigh(self, statistic: Statistic) -> Weights | GroupWeights:
        """Σ_i of the coefficients of v, per group."""
        G = statistic.gramians().numpy()
        usual = self._recalled(statistic.names, len(G))
        weights = self._turned(G, usual).sum(1)
        self._remember(statistic.names, usual)
        values = torch.from_numpy(weights)
        return Weights(values[0], heads=False) if self.groups == "whole" else GroupWeights(values)

    def seed(self, seed: int) -> None:
        """Seed the orders."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """The generator's state, and per pair of tasks φ of every group."""
        return {**self._stream.state_dict(), "usual": {first: dict(others) for first, others in self._usual.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._stream.load_state_dict(state)
        self._usual = {first: {second: list(v) for second, v in others.items()} for first, others in state["usual"].items()}

    def _turned(self, G: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """(K, T, T) the coefficients of every v; φ (K, T, T) is changed in place."""
        tasks = np.arange(G.shape[1])
        C, products = np.broadcast_to(np.eye(len(tasks)), G.shape).copy(), G.copy()
        squares = np.diagonal(G, axis1=1, axis2=2).copy()
        for others in random_orders(self._stream, len(tasks)).T:
            along, theirs = products[:, tasks, others], group_squared_norms(G, others)
            sizes = np.sqrt(np.maximum(squares, 0.0) * theirs)
            known = sizes > 0.0
            cosines = np.clip(along / np.where(known, sizes, 1.0), -1.0, 1.0)
            wanted = np.clip(usual[:, tasks, others], -_LARGEST_COSINE, _LARGEST_COSINE)
            missing = wanted * np.sqrt((1.0 - cosines**2) / (1.0 - wanted**2)) - cosines
            lengths = np.sqrt(np.maximum(squares, 0.0) / np.where(theirs > 0.0, theirs, 1.0))
            added = np.where(known & (cosines < wanted), lengths * missing, 0.0)
            C[:, tasks, others] += added
            squares += 2.0 * added * along + added**2 * theirs
            products += added[:, :, None] * G[:, others]
            usual[:, tasks, others] += np.where(known, self.beta * (cosines - usual[:, tasks, others]), 0.0)
        return C

    def _recalled(self, names: tuple[str, ...], groups: int) -> np.ndarray:
        usual = np.zeros((groups, len(names), len(names)))
        for i, first in enumerate(names):
            for j, second in enumerate(names):
                if second in self._usual.get(first, {}):
                    usual[:, i, j] = self._usual[first][second]
        return usual

    def _remember(self, names: tuple[str, ...], usual: np.ndarray) -> None:
        for i, first in enumerate(names):
            known = self._usual.setdefault(first, {})
            known.update({second: usual[:, i, j].tolist() for j, second in enumerate(names) if i != j})


def group_squared_norms(G: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(K, T) the squared lengths of these rows in every group."""
    return G[:, rows, rows]
