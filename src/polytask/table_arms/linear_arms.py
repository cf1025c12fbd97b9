"""Linear models of several targets: each by itself, or with the trace norm of all their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from polytask.table_arms.design_matrix import DesignMatrix
from polytask.table_arms.proper_scores import mean_loss, trivial_outputs
from polytask.table_arms.table_model_base import Floats, TableArm, TableRows, is_poisson
from polytask.tasks.tabular_learning import TabularLearning

PENALTIES = (10.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)
"""Values of λ, from the simplest model, each of which begins where the one before has ended."""
SEARCH_ITERATIONS, MOST_ITERATIONS = 40, 300
"""Iterations for each penalty while one is chosen, each of which begins where the one before ended, and of the final fit."""
LARGEST_LOG_RATE = 20.0
MOST_TIMES_TARGET = 10.0
"""Bound of predicted rates, in largest targets of the training rows."""


@dataclass(frozen=True)
class LinearOutputs:
    """Columns of the weights that belong to one task, and how their sums become raw outputs.

    Attributes:
        learning: How the task is learned.
        start: First column.
        center: Mean of the targets of numbers and rates.
        scale: Standard deviation of the targets of numbers.
        most: Largest rate to predict.
    """

    learning: TabularLearning
    start: int
    center: float = 0.0
    scale: float = 1.0
    most: float = np.inf

    @property
    def width(self) -> int:
        """Number of columns: one per class if there are more than two, and one otherwise."""
        return self.learning.classes if self.learning.classes > 2 else 1

    @property
    def columns(self) -> slice:
        """Columns of the task."""
        return slice(self.start, self.start + self.width)

    def raw(self, z: Floats) -> Floats:
        """Return probabilities (N, C), or numbers (N,), for sums (N, columns)."""
        if self.learning.classes > 2:
            return np.asarray(np.exp(log_softmax(z, axis=1)))
        if self.learning.classes:
            positive = expit(z[:, 0])
            return np.column_stack([1 - positive, positive])
        if is_poisson(self.learning):
            return np.minimum(self.center * np.exp(np.minimum(z[:, 0], LARGEST_LOG_RATE)), self.most)
        return z[:, 0] * self.scale + self.center

    def loss_and_slope(self, z: Floats, y: Floats, w: Floats) -> tuple[float, Floats]:
        """Return the weighted mean loss of rows with sums z (n, columns), and its derivative by them."""
        w = w / w.sum()
        if self.learning.classes > 2:
            logs = log_softmax(z, axis=1)
            slope = np.exp(logs)
            codes = y.astype(np.int64)
            slope[np.arange(len(y)), codes] -= 1
            return float(-w @ logs[np.arange(len(y)), codes]), slope * w[:, None]
        if self.learning.classes:
            return float(w @ (np.logaddexp(0.0, z[:, 0]) - y * z[:, 0])), ((expit(z[:, 0]) - y) * w)[:, None]
        if is_poisson(self.learning):
            # Divided by the mean, so that one penalty suits every unit; above the bound the exponential goes on as its tangent.
            bounded = np.minimum(z[:, 0], LARGEST_LOG_RATE)
            rate = np.exp(bounded)
            loss = rate * (1 + z[:, 0] - bounded) - y / self.center * z[:, 0]
            return float(w @ loss), ((rate - y / self.center) * w)[:, None]
        away = z[:, 0] - (y - self.center) / self.scale
        return float(0.5 * w @ away**2), (away * w)[:, None]


class _LinearModels(TableArm):
    """What both linear arms have in common: the objective, its minimization along decreasing penalties, and predictions."""

    def fit_chosen(self, learned: TableRows, held_out: TableRows, final: TableRows, seed: int) -> None:
        """Choose the penalty on held-out rows, then fit the model; nothing is random."""
        del seed
        self._start(learned)
        chosen = self._chosen_penalties(learned, held_out)
        self._start(final)
        self._weights = self._fitted(final, chosen)

    def outputs(self, inputs: NDArray[np.float32]) -> dict[str, Floats]:
        """Return probabilities (N, C), numbers or rates (N,) of each task for inputs (N, F)."""
        return self._raw(self._weights, self._design(inputs))

    def state(self) -> dict[str, Any]:
        """Return the weights, the columns of the design matrix, and the units of the targets."""
        units = {name: [own.start, own.center, own.scale, own.most] for name, own in self._tasks.items()}
        return {"weights": self._weights, "design": self._design.state(), "units": units}

    @classmethod
    def from_state(cls, learnings: Mapping[str, TabularLearning], state: Mapping[str, Any]) -> Self:
        """Return the model that `state` describes."""
        model = cls(learnings)
        model._design = DesignMatrix.from_state(state["design"])
        model._weights = np.asarray(state["weights"])
        model._tasks = {
            name: LinearOutputs(learnings[name], int(units[0]), *map(float, units[1:])) for name, units in state["units"].items()
        }
        return model

    def _start(self, rows: TableRows) -> None:
        self._design = DesignMatrix.fit(rows)
        self._tasks: dict[str, LinearOutputs] = {}
        start = 0
        for name, learning in self.learnings.items():
            _, y, w = rows.labeled(name)
            center, scale, most = 0.0, 1.0, np.inf
            if not learning.classes:
                center = float(np.average(y, weights=w))
                scale = float(np.sqrt(np.average((y - center) ** 2, weights=w))) or 1.0
                most = MOST_TIMES_TARGET * float(y.max())
            own = LinearOutputs(learning, start, center, scale, most)
            self._tasks[name], start = own, start + own.width
        self._width = start

    def _raw(self, weights: Floats, X: Floats) -> dict[str, Floats]:
        sums = X @ weights[1:] + weights[0]
        return {name: own.raw(sums[:, own.columns]) for name, own in self._tasks.items()}

    def _smooth(self, rows: TableRows, X: Floats) -> Callable[[Floats], tuple[float, Floats]]:
        """Return the sum over tasks of the mean losses as a function of weights (1 + D, columns), with its derivative."""
        labeled = {name: rows.labeled(name) for name in self._tasks}

        def objective(weights: Floats) -> tuple[float, Floats]:
            total, slope = 0.0, np.zeros_like(weights)
            sums = X @ weights[1:] + weights[0]
            for name, own in self._tasks.items():
                place, y, w = labeled[name]
                loss, by_sums = own.loss_and_slope(sums[place, own.columns], y, w)
                total += loss
                slope[0, own.columns] = by_sums.sum(axis=0)
                slope[1:, own.columns] = X[place].T @ by_sums
            return total, slope

        return objective

    def _chosen_penalties(self, learned: TableRows, held_out: TableRows) -> dict[str, float]:
        """Return the best penalty of each task."""
        scores: dict[str, list[float]] = {name: [] for name in self._tasks}
        X = self._design(held_out.inputs)
        for weights in self._along(learned):
            raw = self._raw(weights, X)
            for name, own in self._tasks.items():
                scores[name].append(_relative_loss(own.learning, name, learned, held_out, raw[name]))
        return self._best(scores)

    def _best(self, scores: Mapping[str, list[float]]) -> dict[str, float]:
        return {name: PENALTIES[int(np.argmin(own))] for name, own in scores.items()}

    def _along(self, rows: TableRows) -> Iterator[Floats]:
        """Yield the weights for each penalty."""
        X, weights = self._design(rows.inputs), np.zeros((1 + self._columns(rows), self._width))
        objective = self._smooth(rows, X)
        for penalty in PENALTIES:
            weights = self._minimized(objective, weights, np.full(self._width, penalty), SEARCH_ITERATIONS)
            yield weights

    def _fitted(self, rows: TableRows, chosen: Mapping[str, float]) -> Floats:
        """Return the weights (1 + D, columns) for the penalty of each task."""
        penalties = np.concatenate([np.full(task.width, chosen[name]) for name, task in self._tasks.items()])
        start = np.zeros((1 + self._columns(rows), self._width))
        return self._minimized(self._smooth(rows, self._design(rows.inputs)), start, penalties, MOST_ITERATIONS)

    def _columns(self, rows: TableRows) -> int:
        return int(self._design(rows.inputs[:1]).shape[1])

    def _minimized(self, objective: Callable[[Floats], tuple[float, Floats]], start: Floats, penalties: Floats, iterations: int) -> Floats:
        raise NotImplementedError


@final
class LinearArm(_LinearModels):
    """One ridge, logistic or Poisson regression per task: mean loss + λ/2 ‖w‖², with the λ of each task that is best on held-out rows.

    Losses are ½ (y − ŷ)² in units of the standard deviation, cross-entropies, and Poisson deviances in units of the mean. Minimized by
    L-BFGS; rows without a label of a task do not count for it.
    """

    name: ClassVar[str] = "linear"

    def _minimized(self, objective: Callable[[Floats], tuple[float, Floats]], start: Floats, penalties: Floats, iterations: int) -> Floats:
        def penalized(flat: Floats) -> tuple[float, Floats]:
            weights = flat.reshape(start.shape)
            loss, slope = objective(weights)
            slope[1:] += penalties * weights[1:]
            return loss + 0.5 * float((penalties * weights[1:] ** 2).sum()), slope.ravel()

        found = minimize(penalized, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": iterations})
        return np.asarray(found.x.reshape(start.shape))


@final
class SharedLinearArm(_LinearModels):
    """Linear models whose weights W share a subspace: the sum of the tasks' mean losses + λ ‖W‖ₜᵣ, the sum of the singular values of W.

    By ‖W‖ₜᵣ = min over W = U V of (‖U‖² + ‖V‖²) / 2 (Srebro, Rennie and Jaakkola, NIPS 2004), the objective is smooth in U and V,
    which are minimized together by L-BFGS from the singular vectors of the weights before. All tasks have the same λ, the one with the
    best mean of relative losses on held-out rows.
    """

    name: ClassVar[str] = "linear@shared"

    def _best(self, scores: Mapping[str, list[float]]) -> dict[str, float]:
        return dict.fromkeys(scores, PENALTIES[int(np.argmin(np.mean(list(scores.values()), axis=0)))])

    def _minimized(self, objective: Callable[[Floats], tuple[float, Floats]], start: Floats, penalties: Floats, iterations: int) -> Floats:
        penalty, (rows, width) = float(penalties.max()), start[1:].shape
        rank = min(rows, width)
        left, values, right = np.linalg.svd(start[1:], full_matrices=False)
        if not values.any():  # U = V = 0 is a saddle point: begin with the steepest descent
            left, values, right = np.linalg.svd(-objective(start)[1][1:], full_matrices=False)
            values = values * 1e-2
        roots = np.sqrt(np.maximum(values, 1e-8))
        first = np.concatenate([start[0], (left * roots).ravel(), (roots[:, None] * right).ravel()])

        def parts(flat: Floats) -> tuple[Floats, Floats, Floats]:
            u, v = flat[width : width + rows * rank], flat[width + rows * rank :]
            return flat[:width], u.reshape(rows, rank), v.reshape(rank, width)

        def penalized(flat: Floats) -> tuple[float, Floats]:
            bias, u, v = parts(flat)
            loss, slope = objective(np.vstack([bias, u @ v]))
            by_u, by_v = slope[1:] @ v.T + penalty * u, u.T @ slope[1:] + penalty * v
            return loss + 0.5 * penalty * float((u**2).sum() + (v**2).sum()), np.concatenate([slope[0], by_u.ravel(), by_v.ravel()])

        found = minimize(penalized, first, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
        bias, u, v = parts(found.x)
        return np.vstack([bias, u @ v])


def _relative_loss(learning: TabularLearning, name: str, learned: TableRows, held_out: TableRows, raw: Floats) -> float:
    """Return the mean loss on held-out rows in units of that of a model that ignores the inputs; 1 without a label there."""
    place, y, w = held_out.labeled(name)
    if not len(place):
        return 1.0
    _, known, weights = learned.labeled(name)
    trivial = mean_loss(learning, y, trivial_outputs(learning, known, weights, len(y)), w)
    return mean_loss(learning, y, raw[place], w) / max(trivial, 1e-12)
