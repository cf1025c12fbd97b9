"""Estimator for several classification targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets

from polytask.estimators.array_estimator import ArrayEstimator
from polytask.tasks import Task
from polytask.tasks.type_of_target import LabelFacts, suggested_kind

Array = NDArray[Any]


@final
class MultiTaskClassifier(ClassifierMixin, ArrayEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Classifier with one network for several targets, or several labels per row; labels may be missing.

    It follows scikit-learn's conventions and takes the arguments of `MultiTaskEstimator` except `targets`.

    Attributes:
        classes_: Classes (C,) of a single target, or a list of them for several targets.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> y = (X > 0).astype(int)
        >>> estimator = MultiTaskClassifier(preset="quick", random_state=0).fit(X, y)
        >>> estimator.predict(X).shape, [probabilities.shape for probabilities in estimator.predict_proba(X)]
        ((200, 2), [(200, 2), (200, 2)])
    """

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's Tags
        """Declare that rows may have several labels."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def predict_proba(self, X: Any) -> Array | list[Array]:  # noqa: ANN401
        """Predict the probabilities (N, C) of a single target, or a list of them for several targets."""
        found = [np.asarray(predictions.probabilities) for predictions in self._predictions(X).values()]
        return found[0] if self._flat else found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ANN401
        """Return the accuracy on rows that have a label, averaged over targets."""
        found = np.asarray(self.predict(X))
        targets = self._ordered(y)
        found = found.reshape(len(targets), -1)
        scores = []
        for place, name in enumerate(targets):
            there = targets[name].notna().to_numpy()
            if not there.any():
                continue
            weights = None if sample_weight is None else np.asarray(sample_weight)[there]
            scores.append(accuracy_score(targets[name][there].to_numpy(), found[there, place], sample_weight=weights))
        return float(np.mean(scores)) if scores else float("nan")

    def _kind(self, column: pd.Series[Any]) -> str:
        there = np.array(column.dropna().tolist())
        check_classification_targets(there)
        return suggested_kind(LabelFacts(len(np.unique(there))))

    def _note(self, tasks: Sequence[Task]) -> None:
        classes = [np.asarray(getattr(task, "classes", ())) for task in tasks]
        self.classes_ = classes[0] if self._flat else classes
