"""Estimator for several numeric targets at once."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from polytask.estimators.array_estimator import ArrayEstimator
from polytask.tasks.type_of_target import LabelFacts, suggested_kind


@final
class MultiTaskRegressor(RegressorMixin, ArrayEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Regressor with one network for several targets; labels may be missing.

    It follows scikit-learn's conventions and takes the arguments of `MultiTaskEstimator` except `targets`.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> y = np.column_stack([X[:, 0], X[:, 0] + X[:, 1]])
        >>> y[:50, 1] = np.nan
        >>> MultiTaskRegressor(preset="quick", random_state=0).fit(X, y).predict(X).shape
        (200, 2)
    """

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ANN401
        """Return R² on rows that have a label, averaged over targets."""
        found = np.asarray(self.predict(X))
        targets = self._ordered(y)
        found = found.reshape(len(targets), -1)
        scores = []
        for place, name in enumerate(targets):
            there = targets[name].notna().to_numpy()
            if not there.any():
                continue
            weights = None if sample_weight is None else np.asarray(sample_weight)[there]
            scores.append(r2_score(targets[name][there], found[there, place], sample_weight=weights))
        return float(np.mean(scores)) if scores else float("nan")

    def _kind(self, column: pd.Series[Any]) -> str:
        return suggested_kind(LabelFacts(column.nunique(), numeric=True))
