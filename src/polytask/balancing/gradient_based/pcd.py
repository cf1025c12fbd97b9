"""Descent along one task's gradient, with a guaranteed share of progress for every other task."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, final

import numpy as np
import torch

from polytask.balancing.balancer import Balancer, Weights
from polytask.balancing.building_blocks.option_checks import check_below_one, check_fraction
from polytask.balancing.needs import Gramian, Needs
from polytask.balancing.solvers import cancels, constrained_projection
from polytask.balancing.statistic import Statistic


@final
class PCD(Balancer):
    """Priority-constrained descent (TMLR 2026, arXiv 2606.29521): a main task, and helpers that must not be neglected.

    With h_t = g_t / √v_t, where v_t is the running mean of ‖g_t‖² (decay β, corrected for its start at 0),

        δ = argmin ½ ‖δ − h_main‖²,    subject to h_t · δ ≥ τ ‖h_t‖² for all helpers t,    d = (‖g_main‖ / ‖δ‖) δ

    so that every helper keeps the share τ of the progress that a step along its own gradient would bring. The program is solved exactly
    on the Gramian. Heads get the plain gradient of their task.

    Scale: as in the paper, d is as long as the gradient of the main task. Multiplying a helper's loss by a constant changes nothing.

    Defaults: τ = 0.02 and β = 0.999, as in TorchJD's implementation. If the balancer is built by name, the main task is the first one.

    Deviations: nothing is added to v_t; a zero row is left out. Without the main task, a step is the plain sum.

    Fails: if helpers exclude each other, the constraints have no solution, and d is the gradient of the main task. If the gradient of the
    main task is 0, or δ is, the answer is 0, marked as unsolved.

    Args:
        main: Name of the main task.
        tau: Share τ of progress that helpers keep, from 0 to 1.
        beta: Decay β of the running means, in [0, 1).

    Raises:
        ConfigError: A number is outside its range.

    Example:
        >>> PCD(main="0", tau=0.6).aggregate(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        tensor([0.8575, 0.5145])
    """

    def __init__(self, main: str, tau: float = 0.02, beta: float = 0.999) -> None:
        self.main, self.tau, self.beta = main, check_fraction(tau, "pcd, tau"), check_below_one(beta, "pcd, beta")
        self._sums: dict[str, float] = {}
        self._steps: dict[str, int] = {}

    @classmethod
    def defaults(cls, task_weights: Mapping[str, float]) -> dict[str, Any]:
        """Return the first task as `main`."""
        return {"main": next(iter(task_weights), "")}

    def needs(self) -> Needs:
        """Request the Gramian."""
        return Gramian()

    def weigh(self, statistic: Statistic) -> Weights:
        """Return the weights of d."""
        G, names = statistic.gramian().numpy(), statistic.names
        scales = self._scales(names, G.diagonal())
        if self.main not in names:
            return Weights(torch.ones(len(names), dtype=torch.float64), heads=False)
        main, weights = names.index(self.main), np.zeros(len(names))
        kept = [main, *(t for t in range(len(names)) if t != main and scales[t] > 0.0 and G[t, t] > 0.0)]
        H = G[np.ix_(kept, kept)] * np.outer(scales[kept], scales[kept])
        if H[0, 0] > 0.0:
            found = constrained_projection(H, self.tau * H.diagonal()[1:])
            found = np.eye(len(kept))[0] if found is None else found
            if not cancels(found, H, statistic.round_off):
                weights[kept] = found * scales[kept] * sqrt(G[main, main]) / sqrt(float(found @ H @ found))
        return Weights(torch.from_numpy(weights), heads=False, solved=bool(weights.any()))

    def state_dict(self) -> dict[str, Any]:
        """Return the running mean of ‖g_t‖² and the number of steps of every task."""
        return {"sums": dict(self._sums), "steps": dict(self._steps)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._sums, self._steps = dict(state["sums"]), dict(state["steps"])

    def _scales(self, names: tuple[str, ...], squares: np.ndarray) -> np.ndarray:
        """Return 1 / √v_t after adding the squared lengths to v; 0 for tasks whose gradient has always been zero."""
        scales = np.zeros(len(names))
        for number, (name, square) in enumerate(zip(names, squares.tolist(), strict=True)):
            steps = self._steps[name] = self._steps.get(name, 0) + 1
            total = self._sums[name] = self.beta * self._sums.get(name, 0.0) + (1.0 - self.beta) * square
            scales[number] = sqrt((1.0 - self.beta**steps) / total) if total > 0.0 else 0.0
        return scales
