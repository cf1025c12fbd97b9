"""Multiclass classification."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from polytask.errors import ConfigError
from polytask.tasks.base import ReportView, Task
from polytask.tasks.class_labels import Array, ClassTask, validated_classes
from polytask.tasks.class_weight_checks import BALANCED, validated_smoothing, validated_weight, weights_not_fitted_error
from polytask.tasks.metric import Predictions
from polytask.tasks.type_of_target import LabelFacts

if TYPE_CHECKING:
    from torch import Tensor

FEW_CLASSES, SHARE_OF_CLASSES = 20, 0.05
"""Whole numbers suggest classes if at most this many are distinct, and at most this share of the number of labels."""


@dataclass(frozen=True, kw_only=True)
class Multiclass(ClassTask):
    """Classification into one of C classes, with the cross-entropy of the softmax as loss.

    The loss of a unit with outputs z (C,) and class y is ℓ = log Σ_c exp(z_c) − z_y. With smoothing ε the label is (1 − ε) of
    class y and ε / C of every class (Szegedy et al., CVPR 2016, §7), ℓ = log Σ_c exp(z_c) − (1 − ε) z_y − (ε / C) Σ_c z_c; with
    class weights w the loss of a unit is w_y ℓ, while the task's loss stays the sum over its units divided by their number.
    Neither affects metrics and probabilities.

    Attributes:
        classes: Original labels, in the order of the head's outputs.
        class_weights: One weight above 0 per class, in the order of `classes`; "balanced" for n / (C n_c), which `fitted` computes
            from the n training labels, n_c of them of class c (a class without labels gets 1); `None` for no weights.
        ignore_index: Label that means that there is none, such as -100; it counts as a missing label everywhere. `None` if there is no
            such label.
        label_smoothing: Label smoothing ε in [0, 1).

    Raises:
        ConfigError: There are fewer than two classes, a class is repeated, or the weights, the smoothing or the ignored label are invalid.

    Example:
        >>> task = Multiclass(name="garment", classes=("shirt", "shoe", "bag"))
        >>> task.encode(["bag", None, "shirt"])
        Targets(values=array([2, 0, 0]), labeled=array([ True, False,  True]))
        >>> task.decode([1, 0])
        array(['shoe', 'shirt'], dtype='<U5')
        >>> Multiclass(name="size", classes=("s", "l"), class_weights="balanced").fitted(["s", "s", "s", "l"]).class_weights
        (0.6666666666666666, 2.0)
    """

    class_weights: tuple[float, ...] | str | None = None
    label_smoothing: float = 0.0

    kind: ClassVar[str] = "multiclass"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1", "log-loss", "auc")
    report_view: ClassVar[ReportView] = ReportView.CONFUSION

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        object.__setattr__(self, "classes", validated_classes(self.name, self.classes, min_classes=2, ignored=self.ignore_index))
        object.__setattr__(self, "class_weights", self._checked_weights())
        object.__setattr__(self, "label_smoothing", validated_smoothing(self.name, self.label_smoothing))

    @property
    def outputs(self) -> int:
        """Number of outputs: one per class."""
        return len(self.classes)

    def fitted(self, labels: Array) -> Self:
        """Return the task with balanced weights computed from the labels; without balanced weights, itself.

        Raises:
            DataError: The weights are balanced, and a label is none of the classes.
        """
        if self.class_weights != BALANCED:
            return self
        targets = self.encode(labels)
        counts = np.bincount(targets.values[targets.labeled], minlength=len(self.classes))
        weights = np.where(counts > 0, counts.sum() / (len(self.classes) * np.maximum(counts, 1)), 1.0)
        return replace(self, class_weights=tuple(weights.tolist()))

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the cross-entropy in nats, times the weight of the unit's class.

        Raises:
            ConfigError: The weights are balanced and not computed yet.
        """
        import torch
        from torch.nn import functional

        loss = functional.cross_entropy(outputs, targets, reduction="none", label_smoothing=self.label_smoothing)
        if self.class_weights is None:
            return loss
        if isinstance(self.class_weights, str):
            raise weights_not_fitted_error(self.name, "class_weights")
        weights = torch.tensor(self.class_weights, dtype=loss.dtype).to(loss.device, non_blocking=True)
        return loss * weights[targets]

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: the weights of the classes and the label smoothing."""
        return (self.class_weights, self.label_smoothing)

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the most probable class, with the softmax as probabilities."""
        import torch

        probabilities = torch.softmax(outputs.double(), dim=1)
        return Predictions(outputs.argmax(dim=1).numpy(force=True), probabilities.numpy(force=True))

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Return whether there are more than two distinct strings, or more than two but few distinct whole numbers.

        Whole numbers of which one occurs only once are no classes, since a class of one row cannot be both learned and tested.
        """
        few = facts.whole and facts.repeated and facts.distinct <= min(FEW_CLASSES, SHARE_OF_CLASSES * facts.labels)
        return facts.distinct > 2 and not facts.sets and (few or not facts.numeric)

    def _checked_weights(self) -> tuple[float, ...] | str | None:
        weights = self.class_weights
        if weights is None or (isinstance(weights, str) and weights == BALANCED):
            return weights
        if isinstance(weights, str) or not hasattr(weights, "__len__") or len(weights) != len(self.classes):
            where, remedy = f"task {self.name!r}, class_weights", f"Give {len(self.classes)} numbers, {BALANCED!r}, or None"
            raise ConfigError("one weight per class is needed", where=where, found=repr(weights), remedy=remedy)
        return tuple(validated_weight(self.name, weight, "class_weights") for weight in weights)
