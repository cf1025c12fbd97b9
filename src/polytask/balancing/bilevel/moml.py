"""Weights that lower the losses of all tasks one step ahead, without raising any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.adam_scalar import AdamScalar
from polytask.balancing.building_blocks.option_checks import check_positive
from polytask.balancing.building_blocks.scalar_softmax import softmax
from polytask.balancing.needs import Lookahead, Needs
from polytask.balancing.solvers import minimum_norm
from polytask.balancing.statistic import Statistic


@final
class MOML(Balancer):
    """Multi-objective meta learning of task weights (Ye et al., NeurIPS 2021, eq. 2 and algorithm 1).

    With z = softmax(α), and a step with these weights on batch A, θ' = θ − η ∇ Σ z_t L_t(A; θ), the slopes of the tasks' losses on
    batch B along α are the rows of M (T × T):

        M = −η J_B(θ') J_A(θ)ᵀ (diag z − z zᵀ)

    Adam descends α along γᵀ U, where U are the rows of M scaled to length 1 and γ = argmin ‖γᵀ U‖ over the simplex: a direction
    that opposes no task. The weights are w = T z. Heads are weighted too. Cost: 2 T backward passes of the whole network, and
    memory for 2 T × all parameters.

    Scale: the paper's weights sum to 1; they are multiplied by T. Multiplying all losses by a constant changes only θ'. Zero rows
    of M are ignored.

    Defaults: η = 0.1 and learning rate 1e-3 of α, as in LibMTL's implementation, which the authors maintain.

    Deviations: one inner step, whose slope along α is exact. η is fixed; in the authors' code it is the present learning rate of the
    network's optimizer. The network is trained on both batches, so that no row is wasted.

    Fails: if the tasks cannot all improve together, γᵀ U is 0 and α does not change. Large networks need much memory, since their
    Jacobian over all parameters is stored twice.

    Args:
        lr: Learning rate of α, above 0.
        inner_lr: Learning rate η of the step ahead, above 0.

    Raises:
        ConfigError: A number is not above 0.

    Example:
        >>> MOML().needs()
        Lookahead()
    """

    batches = 2
    step_batches: Literal["last", "all"] = "all"

    reads_once = True

    def __init__(self, lr: float = 1e-3, inner_lr: float = 0.1) -> None:
        self.lr, self.inner_lr = check_positive(lr, "moml, lr"), check_positive(inner_lr, "moml, inner_lr")
        self._logits: dict[str, AdamScalar] = {}

    def needs(self) -> Needs:
        """Request a lookahead."""
        return Lookahead()

    def weigh(self, statistic: Statistic) -> Weights:
        """Update α and return w = T z."""
        names = statistic.names
        known = [self._logits.get(name, AdamScalar(0.0)) for name in names]
        slopes = common_descent_slope(self._slopes(statistic, np.array(softmax([scalar.value for scalar in known]))))
        moved = [scalar.stepped(float(slope), self.lr) for scalar, slope in zip(known, slopes, strict=True)]
        self._logits |= dict(zip(names, moved, strict=True))
        shares = softmax([scalar.value for scalar in moved])
        return Weights(torch.tensor(shares, dtype=torch.float64) * len(names), heads=True)

    def state_dict(self) -> dict[str, Any]:
        """Return α with its moments for every task."""
        return {task: scalar.to_dict() for task, scalar in self._logits.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._logits = {task: AdamScalar(**values) for task, values in state.items()}

    def _slopes(self, statistic: Statistic, z: np.ndarray) -> np.ndarray:
        """Return M: (T, T)."""
        now = statistic.look.jacobian(0)
        step = (torch.from_numpy(z).to(now, non_blocking=True) @ now).mul_(-self.inner_lr)
        ahead = statistic.look.jacobian(1, offset=step)
        products: np.ndarray = statistic.read(ahead.double() @ now.double().T)[0].numpy()
        slopes: np.ndarray = -self.inner_lr * products @ (np.diag(z) - np.outer(z, z))
        return slopes


def common_descent_slope(M: np.ndarray) -> np.ndarray:
    """Return γᵀ U, the shortest convex combination of the rows of M scaled to length 1: (T,), 0 if all rows are 0.

    Example:
        >>> common_descent_slope(np.array([[3.0, 0.0], [0.0, 0.1]]))
        array([0.5, 0.5])
    """
    lengths = np.linalg.norm(M, axis=1)
    U = M[lengths > 0.0] / lengths[lengths > 0.0][:, None]
    if not len(U):
        return np.zeros(M.shape[1])
    slope: np.ndarray = minimum_norm(U @ U.T) @ U
    return slope
