"""Ordinal classification."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError
from polytask.tasks.base import Task
from polytask.tasks.class_labels import Array, ClassTask, validated_classes
from polytask.tasks.metric import Predictions
from polytask.tasks.prediction_parsing import codes_in_order

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Ordinal(ClassTask):
    """Classification into one of C ordered classes, with the cumulative logits of C − 1 outputs.

    Outputs z (C − 1,) give the non-increasing logits a_1 = z_1, a_k = a_{k−1} − log(1 + exp(z_k)), and P(y ≥ k) = σ(a_k). The loss
    of a unit of class y, counted from 0, is ℓ = −log P(y) = −log(σ(a_y) − σ(a_{y+1})) with a_0 = ∞ and a_C = −∞. Since
    σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a)), and 1 − exp(a_k − a_{k−1}) = σ(z_k), it is a sum of log σ without cancellation.
    McCullagh, Journal of the Royal Statistical Society B 42:109 (1980), §2, has thresholds that are the same for all units
    (proportional odds); here their distances may depend on the input.

    The prediction is the median class, which minimizes the expected rank error.

    Attributes:
        classes: Original labels, from the lowest to the highest.
        ignore_index: Label that means that there is none, such as -100; it counts as a missing label everywhere. `None` if there is no
            such label.

    Raises:
        ConfigError: There are fewer than two classes, a class is repeated, or the ignored label is a class.

    Example:
        >>> import torch
        >>> task = Ordinal(name="grade", classes=("poor", "fair", "good"))
        >>> task.encode(["good", "poor"]).values
        array([2, 0])
        >>> task.predict(torch.tensor([[0.0, 0.0]])).probabilities.round(3).tolist()
        [[0.5, 0.167, 0.333]]
    """

    kind: ClassVar[str] = "ordinal"
    metrics: ClassVar[tuple[str, ...]] = ("rank-error", "accuracy", "quadratic-kappa", "log-loss")

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        object.__setattr__(self, "classes", validated_classes(self.name, self.classes, min_classes=2, ignored=self.ignore_index))

    @property
    def outputs(self) -> int:
        """Number of outputs: C − 1, one per pair of adjacent classes."""
        return len(self.classes) - 1

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute −log P(y), in nats."""
        return -_log_probabilities(outputs).gather(1, targets.unsqueeze(1)).squeeze(1)

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: nothing."""
        return ()

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the median class, with the probabilities of all classes."""
        import torch

        exact = outputs.double()
        median = (_cumulative_logits(exact) > 0).sum(dim=1)
        return Predictions(median.numpy(force=True), torch.exp(_log_probabilities(exact)).numpy(force=True))

    def chosen(self, probabilities: Array) -> Array:
        """Return the codes (n,) of the median classes."""
        return np.asarray((probabilities.cumsum(axis=1) < 0.5).sum(axis=1))

    def best_constant(self, counts: NDArray[np.int64]) -> int:
        """Return the code of the median class."""
        return int((2 * counts.cumsum() >= counts.sum()).argmax())

    def classes_in_order(self) -> Sequence[Any]:
        """Return the classes, from the lowest to the highest."""
        found: list[Any] = self.decode(np.arange(len(self.classes))).tolist()
        return found

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the classes, all distinct numbers in order, unless they are given.

        Raises:
            ConfigError: The labels are not numbers, so the order of the classes must be given.
        """
        found = super().options_from_labels(target, labels, options)
        classes = found.get("classes", ())
        if not all(isinstance(label, int | float) for label in classes):
            remedy = f"Write {target}={cls.kind}(classes=[{', '.join(map(str, classes))}]), from the lowest to the highest"
            raise ConfigError(
                "the order of classes that are not numbers must be given", where=f"target {target!r}, kind {cls.kind!r}", remedy=remedy
            )
        return found

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read targets and predictions as ranks in the order of the classes.

        Raises:
            ConfigError: The classes are not given.
            DataError: A label is none of the classes.
        """
        if classes is None:
            remedy = f"Give classes={{{task!r}: (...)}}, from the lowest to the highest (--kind '{task}={cls.kind}(classes=[...])')"
            raise ConfigError("the order of the classes is needed", where=f"task {task}, kind {cls.kind!r}", remedy=remedy)
        return codes_in_order(task, frame, classes)


def _cumulative_logits(outputs: Tensor) -> Tensor:
    """Return the log-odds (n, C − 1) of y ≥ 1, …, y ≥ C − 1."""
    import torch
    from torch.nn import functional

    return torch.cat([outputs[:, :1], functional.logsigmoid(-outputs[:, 1:])], dim=1).cumsum(dim=1)


def _log_probabilities(outputs: Tensor) -> Tensor:
    """Return the log-probabilities (n, C) of the classes."""
    import torch
    from torch.nn import functional

    # log P(y = k) = log σ(a_k) + log σ(−a_{k+1}) + log σ(z_{k+1}); terms of the lowest and the highest class that do not exist are 0.
    logits = _cumulative_logits(outputs)
    certain = torch.zeros_like(outputs[:, :1])
    reached = torch.cat([certain, functional.logsigmoid(logits)], dim=1)
    not_passed = torch.cat([functional.logsigmoid(-logits), certain], dim=1)
    apart = torch.cat([certain, functional.logsigmoid(outputs[:, 1:]), certain], dim=1)
    return reached + not_passed + apart
