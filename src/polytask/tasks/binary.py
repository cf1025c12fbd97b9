"""Binary classification."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import ReportView, Task
from polytask.tasks.class_labels import Array, ClassTask, Label, validated_classes
from polytask.tasks.class_weight_checks import BALANCED, validated_smoothing, validated_weight, weights_not_fitted_error
from polytask.tasks.metric import Predictions
from polytask.tasks.type_of_target import LabelFacts

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Binary(ClassTask):
    """Binary classification with the logistic loss of a single output.

    The loss of a unit with output z and label y in {0, 1} is ℓ = log(1 + exp(z)) − y z. With smoothing ε the y of the loss is
    (1 − ε) y + ε / 2 (Szegedy et al., CVPR 2016, §7, for two classes); with a positive weight w the loss of a unit of the positive
    class is w ℓ, while the task's loss stays the sum over its units divided by their number. Neither affects metrics and
    probabilities.

    Attributes:
        classes: Original labels of the negative (0) and the positive class (1).
        positive_weight: Weight w of the positive class, a number above 0; "balanced" for negatives / positives, which `fitted`
            counts in the training labels; `None` for no weight.
        ignore_index: Label that means that there is none, such as -100; it counts as a missing label everywhere. `None` if there is no
            such label.
        label_smoothing: Label smoothing ε in [0, 1).

    Raises:
        ConfigError: There are not exactly two different classes, or the weight, the smoothing or the ignored label is invalid.

    Example:
        >>> task = Binary(name="churn", classes=("stays", "leaves"), positive_weight="balanced")
        >>> task.encode(["leaves", "stays"]).values
        array([1, 0])
        >>> task.fitted(["leaves", "stays", "stays", None]).positive_weight
        2.0
    """

    classes: tuple[Label, ...] = (0, 1)
    positive_weight: float | str | None = None
    label_smoothing: float = 0.0

    kind: ClassVar[str] = "binary"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1", "log-loss", "auc")
    probability_of_event: ClassVar[bool] = True
    report_view: ClassVar[ReportView] = ReportView.CONFUSION

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        object.__setattr__(self, "classes", validated_classes(self.name, self.classes, min_classes=2, ignored=self.ignore_index))
        if len(self.classes) != 2:
            raise ConfigError("a binary task must have two classes", where=f"task {self.name!r}", found=_list_classes(self.classes))
        if self.positive_weight is not None and self.positive_weight != BALANCED:
            object.__setattr__(self, "positive_weight", validated_weight(self.name, self.positive_weight, "positive_weight"))
        object.__setattr__(self, "label_smoothing", validated_smoothing(self.name, self.label_smoothing))

    @property
    def outputs(self) -> int:
        """Number of outputs: 1, the log-odds of the positive class."""
        return 1

    def fitted(self, labels: Array) -> Self:
        """Return the task with a balanced weight computed from the labels; without a balanced weight, itself.

        Raises:
            DataError: The weight is balanced, and the labels have only one class or another class.
        """
        if self.positive_weight != BALANCED:
            return self
        targets = self.encode(labels)
        negatives, positives = np.bincount(targets.values[targets.labeled], minlength=2).tolist()
        if not negatives or not positives:
            where, found = f"task {self.name!r}, positive_weight", f"{negatives} negatives and {positives} positives"
            raise DataError("a balanced weight needs labels of both classes", where=where, found=found)
        return replace(self, positive_weight=negatives / positives)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the logistic loss in nats, times the weight of the unit's class.

        Raises:
            ConfigError: The weight is balanced and not computed yet.
        """
        from torch.nn import functional

        truth = targets.to(outputs.dtype)
        smooth = truth * (1 - self.label_smoothing) + self.label_smoothing / 2
        loss = functional.binary_cross_entropy_with_logits(outputs.squeeze(1), smooth, reduction="none")
        if self.positive_weight is None:
            return loss
        if isinstance(self.positive_weight, str):
            raise weights_not_fitted_error(self.name, "positive_weight")
        return loss * (1 + (self.positive_weight - 1) * truth)

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: the weight of the positive class and the label smoothing."""
        return (self.positive_weight, self.label_smoothing)

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the positive class where its probability is above one half."""
        import torch

        positive = torch.sigmoid(outputs.double().squeeze(1))
        probabilities = torch.stack((1 - positive, positive), dim=1)
        return Predictions((outputs.squeeze(1) > 0).long().numpy(force=True), probabilities.numpy(force=True))

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Return whether there are at most two different labels that are neither fractions nor sets."""
        return facts.distinct <= 2 and not facts.sets and (facts.whole or not facts.numeric)


def _list_classes(classes: tuple[Label, ...]) -> str:
    return ", ".join(map(repr, classes[:4])) + (f", …, {len(classes)} in all" if len(classes) > 4 else "")
