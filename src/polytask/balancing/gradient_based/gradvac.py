"""Gradient vaccine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, GroupWeights, Weights
from polytask.balancing.building_blocks.option_checks import check_grouping
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.gradient_based.pcgrad import random_orders
from polytask.balancing.needs import Gramian, Needs, ParameterGrouping
from polytask.balancing.statistic import Statistic
from polytask.errors import ConfigError

_LARGEST_COSINE = 1.0 - 1e-9  # no finite multiple of g_j makes v parallel to it


@final
class GradVac(Balancer):
    """Gradients rotated towards each other until their cosines reach their usual values (Wang et al., ICLR 2021, eq. 3).

    φ_ij is a moving average of cos(g_i, g_j) that starts at 0. For each task i, start with v = g_i; for the other tasks j in a
    random order, with c = cos(v, g_j): if c < φ_ij,

        v ← v + ‖v‖ (φ_ij √(1 − c²) − c √(1 − φ_ij²)) / (‖g_j‖ √(1 − φ_ij²)) · g_j

    which makes that cosine φ_ij; then φ_ij ← (1 − β) φ_ij + β c. The direction is d = Σ_i v. With φ = 0, as in the first step,
    this is PCGrad. As there, only the Gramian is needed; here for each group of parameters separately.

    Scale: as in the paper, a sum. A zero row has no angle: it rotates no gradient, is not rotated, and does not change φ. Heads get
    the plain gradient of their task.

    Defaults: β = 0.01 (paper, section 4); groups `whole` (the paper also uses layers and single matrices).

    Deviations: none. The random orders are the same for all groups, and come from the balancer's random generator.

    Fails: if φ is near 1, small differences in direction are enlarged; as with PCGrad, d may oppose a task.

    Args:
        beta: Rate β with which φ follows the cosines, in (0, 1].
        groups: Grouping of the parameters: `whole`, `layer`, `matrix`, `part` (a child module of the shared network), or a list of
            submodules.

    Raises:
        ConfigError: β is outside its range, or the grouping is unknown.

    Example:
        >>> GradVac().aggregate(torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]]))
        tensor([0.5848, 3.8012, 3.8012])
    """

    remembers_gradients = True

    def __init__(self, beta: float = 0.01, groups: ParameterGrouping | Sequence[str] = "whole") -> None:
        if not 0 < beta <= 1:
            raise ConfigError("a number above 0 and up to 1 is needed", where="gradvac, beta", found=beta)
        self.beta, self.groups = beta, check_grouping(groups, ("whole", "layer", "matrix", "part"), "gradvac, groups")
        self._stream = RandomStream()
        self._usual: dict[str, dict[str, list[float]]] = {}

    def needs(self) -> Needs:
        """Request the Gramian of every group."""
        return Gramian(self.groups)

    def weigh(self, statistic: Statistic) -> Weights | GroupWeights:
        """Return the sum over i of the coefficients of v, per group."""
        G = statistic.gramians().numpy()
        usual = self._recalled(statistic.names, len(G))
        weights = self._turned(G, usual).sum(1)
        self._remember(statistic.names, usual)
        values = torch.from_numpy(weights)
        return Weights(values[0], heads=False) if self.groups == "whole" else GroupWeights(values)

    def seed(self, seed: int) -> None:
        """Seed the random orders."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state, and φ of every pair of tasks and every group."""
        return {**self._stream.state_dict(), "usual": {first: dict(others) for first, others in self._usual.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._stream.load_state_dict(state)
        self._usual = {first: {second: list(v) for second, v in others.items()} for first, others in state["usual"].items()}

    def _turned(self, G: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """Return the coefficients of every v: (K, T, T). Updates φ (K, T, T), given as `usual`, in place."""
        tasks = np.arange(G.shape[1])
        # Each v is represented by its coefficients C, its products with all g_j and its squared length, all tasks at once.
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
    """Return the squared lengths of these rows in every group: (K, T)."""
    return G[:, rows, rows]
