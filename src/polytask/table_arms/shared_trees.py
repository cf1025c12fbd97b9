"""Extra trees that predict all targets at once (scikit-learn), stored and evaluated as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from polytask.table_arms.proper_scores import mean_loss, trivial_outputs
from polytask.table_arms.table_model_base import Floats, TableArm, TableRows
from polytask.tasks.tabular_learning import TabularLearning

MOST_LEAVES = 400_000
"""Number of rows times trees up to which a forest has 100 trees; larger tables get fewer, and at least 30."""
SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"min_samples_leaf": 1, "max_features": 1.0},
    {"min_samples_leaf": 1, "max_features": "sqrt"},
    {"min_samples_leaf": 5, "max_features": 0.6},
)
FILLINGS = 2
"""Number of forests that are grown if labels are missing: the second one splits by what the first one predicts for them."""
LABELS_PER_LEAF = 3
PRIOR = 0.02
"""Share of the trivial prediction in probabilities and rates: leaves of a single row would be certain."""


def has_scikit_learn() -> bool:
    """Return whether scikit-learn is installed."""
    return find_spec("sklearn") is not None


@dataclass(frozen=True)
class Forest:
    """Trees as arrays: the nodes of all trees one after the other.

    Attributes:
        roots: (T,) first node of each tree.
        features: (nodes,) column that a node compares; −1 at leaves.
        thresholds: (nodes,) numbers up to which rows go left.
        left: (nodes,) node for these rows; at leaves the place of their values.
        right: (nodes,) node for the other rows.
        values: (leaves, K) means of the training rows in each leaf.
    """

    roots: NDArray[np.int64]
    features: NDArray[np.int32]
    thresholds: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, trees: Sequence[Any]) -> Self:
        """Return the trees of a forest of scikit-learn."""
        roots, parts, leaves, nodes = [], [], 0, 0
        for tree in trees:
            is_leaf = tree.children_left < 0
            place = np.cumsum(is_leaf) - 1 + leaves
            left = np.where(is_leaf, place, tree.children_left + nodes)
            features = np.where(is_leaf, -1, tree.feature)
            parts.append((features, tree.threshold, left, tree.children_right + nodes, tree.value[is_leaf, :, 0]))
            roots.append(nodes)
            leaves, nodes = leaves + int(is_leaf.sum()), nodes + len(is_leaf)
        features, thresholds, left, right, values = (np.concatenate(own) for own in zip(*parts, strict=True))
        return cls(np.array(roots), features.astype(np.int32), thresholds, left, right, values.astype(np.float32))

    def predict(self, X: NDArray[np.float32]) -> Floats:
        """Return the mean of the trees' values (N, K) for rows (N, F), over those of its leaves that have one; 0 if none has."""
        total, count = np.zeros((len(X), self.values.shape[1])), np.zeros((len(X), self.values.shape[1]))
        for root in self.roots:
            found = self.values[self._leaves(X, root)]
            total += np.nan_to_num(found)
            count += ~np.isnan(found)
        return np.asarray(total / np.maximum(count, 1))

    def relearned(self, X: NDArray[np.float32], Y: Floats, there: NDArray[np.bool_], weights: Floats, *, keep: bool) -> Self:
        """Return the same trees with leaves that hold the weighted means of the labels that exist.

        Args:
            X: Training rows (N, F).
            Y: Targets (N, K).
            there: Whether each target is a label.
            weights: Weights of rows (N,).
            keep: Whether a leaf without a label keeps its value; otherwise it has none.
        """
        sums, counts = np.zeros(self.values.shape), np.zeros(self.values.shape)
        own = np.where(there, weights[:, None], 0.0)
        for root in self.roots:
            leaves = self._leaves(X, root)
            np.add.at(counts, leaves, own)
            np.add.at(sums, leaves, own * np.where(there, Y, 0.0))
        without = self.values if keep else np.float32(np.nan)
        values = np.where(counts > 0, sums / np.maximum(counts, 1e-300), without)
        return replace(self, values=values.astype(np.float32))

    def _leaves(self, X: NDArray[np.float32], root: int) -> NDArray[np.int64]:
        """Return the place of the values of each row in one tree."""
        node, active = np.full(len(X), root), np.arange(len(X))
        while len(active):
            feature = self.features[node[active]]
            active, feature = active[feature >= 0], feature[feature >= 0]
            here = node[active]
            node[active] = np.where(X[active, feature] <= self.thresholds[here], self.left[here], self.right[here])
        return np.asarray(self.left[node])


@final
class SharedTreesArm(TableArm):
    """Extremely randomized trees whose leaves hold all targets (Geurts, Ernst and Wehenkel, Machine Learning 2006).

    A split reduces the sum over tasks of squared errors in units of their variance; classes are indicators, and each task counts the
    same. Missing labels are the mean in a first forest, whose leaves hold the means of the labels that exist; in a second one they are what
    the first one predicts, and its leaves hold the means of existing labels where there are any. The setting with the best mean of
    relative proper scores on a fifth of the rows is fitted to all rows. Probabilities and rates are mixed with 2 % of the trivial
    prediction. Prediction needs no scikit-learn.
    """

    name: ClassVar[str] = "trees@shared"

    def fit_chosen(self, learned: TableRows, held_out: TableRows, final: TableRows, seed: int) -> None:
        """Choose the setting on held-out rows, then fit the model."""
        best, chosen = np.inf, SETTINGS[0]
        for setting in SETTINGS:
            self._grow(learned, setting, seed, 30)
            loss = self._relative_loss(learned, held_out)
            if loss < best:
                best, chosen = loss, setting
        self._grow(final, chosen, seed, int(np.clip(MOST_LEAVES // max(1, len(final)), 30, 100)))

    def outputs(self, inputs: NDArray[np.float32]) -> dict[str, Floats]:
        """Return probabilities (N, C), numbers or rates (N,) of each task for inputs (N, F)."""
        means = self._forest.predict(self._filled(inputs)) * self._scale + self._center
        return {name: self._raw(learning, name, means[:, self._columns[name]]) for name, learning in self.learnings.items()}

    def state(self) -> dict[str, Any]:
        """Return the trees and the units of the targets."""
        trivial = {name: own.ravel().tolist() for name, own in self._trivial.items()}
        units = {"scale": self._scale, "center": self._center, "median": self._median, "gaps": self._gaps}
        return {"forest": dict(vars(self._forest)), "trivial": trivial, **units}

    @classmethod
    def from_state(cls, learnings: Mapping[str, TabularLearning], state: Mapping[str, Any]) -> Self:
        """Return the model that `state` describes."""
        model = cls(learnings)
        model._forest = Forest(**{name: np.asarray(own) for name, own in state["forest"].items()})
        model._scale, model._center, model._median, model._gaps = (
            np.asarray(state[name]) for name in ("scale", "center", "median", "gaps")
        )
        model._trivial = {name: np.asarray(own)[None] for name, own in state["trivial"].items()}
        model._columns = _columns_of(learnings)
        return model

    def _grow(self, rows: TableRows, setting: Mapping[str, Any], seed: int, trees: int) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self._learn_gaps(rows)
        self._columns = _columns_of(self.learnings)
        Y, there, weights = self._targets(rows)
        X = self._filled(rows.inputs)
        for filling in range(1 if there.all() else FILLINGS):
            filled = there.all() or filling > 0
            own = setting if filled else {"min_samples_leaf": _rows_with_labels(there), "max_features": 1.0}
            model = ExtraTreesRegressor(trees, random_state=seed % 2**32, n_jobs=1, **own)
            model.fit(X, Y[:, 0] if Y.shape[1] == 1 else Y, sample_weight=weights)
            self._forest = Forest.of([one.tree_ for one in model.estimators_])
            if not there.all():
                self._forest = self._forest.relearned(X, Y, there, weights, keep=filling > 0)
                Y = np.where(there, Y, self._forest.predict(X))

    def _learn_gaps(self, rows: TableRows) -> None:
        absent = np.isnan(rows.inputs)
        self._gaps = np.flatnonzero(absent.any(axis=0))
        filled = np.where(absent.all(axis=0), 0.0, rows.inputs)
        self._median = np.nanmedian(filled, axis=0).astype(np.float32)

    def _filled(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return inputs with medians in gaps, and an indicator of the gaps of each column that had some in training."""
        absent = np.isnan(inputs)
        return np.hstack([np.where(absent, self._median, inputs), absent[:, self._gaps]]).astype(np.float32)

    def _targets(self, rows: TableRows) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Return the targets (N, K) in units in which each task counts the same, where there are some, and the weights of rows."""
        width = sum(_width(learning) for learning in self.learnings.values())
        Y, there, weights = np.zeros((len(rows), width)), np.zeros((len(rows), width), dtype=bool), np.zeros(len(rows))
        self._center, self._scale = np.zeros(width), np.ones(width)
        self._trivial: dict[str, Floats] = {}
        for name, learning in self.learnings.items():
            place, y, w = rows.labeled(name)
            own = np.eye(learning.classes)[y.astype(np.int64)] if learning.classes else y[:, None]
            center = np.average(own, axis=0, weights=w)
            scale = np.sqrt(np.average((own - center) ** 2, axis=0, weights=w).sum()) or 1.0
            columns = self._columns[name]
            Y[place, columns], there[place, columns] = (own - center) / scale, True
            self._center[columns], self._scale[columns] = center, scale
            self._trivial[name] = trivial_outputs(learning, y, w, 1)
            weights[place] += w
        return Y, there, np.where(weights > 0, weights / max(1, len(self.learnings)), 1e-6)

    def _raw(self, learning: TabularLearning, name: str, means: Floats) -> Floats:
        trivial = self._trivial[name]
        if learning.classes:
            chances = np.clip(means, 0.0, 1.0)
            chances = chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-12)
            return np.asarray((1 - PRIOR) * chances + PRIOR * trivial)
        if "loss" in learning.options[0]:
            return (1 - PRIOR) * np.maximum(means[:, 0], 0.0) + PRIOR * float(trivial.ravel()[0])
        return means[:, 0]

    def _relative_loss(self, learned: TableRows, held_out: TableRows) -> float:
        found = self.outputs(held_out.inputs)
        scores = []
        for name, learning in self.learnings.items():
            place, y, w = held_out.labeled(name)
            if len(place):
                _, known, weights = learned.labeled(name)
                trivial = mean_loss(learning, y, trivial_outputs(learning, known, weights, len(y)), w)
                scores.append(mean_loss(learning, y, found[name][place], w) / max(trivial, 1e-12))
        return float(np.mean(scores)) if scores else 1.0


def _rows_with_labels(there: NDArray[np.bool_]) -> int:
    """Return the number of rows that a leaf needs to have some three labels of the rarest target: a row alone fills no gap."""
    share = float(there.mean(axis=0).min())
    return int(np.clip(np.ceil(LABELS_PER_LEAF / max(share, 1e-9)), 5, max(5, len(there) // 4)))


def _width(learning: TabularLearning) -> int:
    return max(1, learning.classes)


def _columns_of(learnings: Mapping[str, TabularLearning]) -> dict[str, slice]:
    """Return the columns of each task among the values of leaves."""
    ends = np.cumsum([_width(learning) for learning in learnings.values()]).tolist()
    return {name: slice(end - _width(learning), end) for (name, learning), end in zip(learnings.items(), ends, strict=True)}
