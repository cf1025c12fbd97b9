"""One of several classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from polytask.tasks.classes import Array, Label, checked_classes, decode_classes, encode_classes
from polytask.tasks.task import Predictions, Targets, Task


@dataclass(frozen=True, kw_only=True)
class Multiclass(Task):
    """One of C classes, with the cross-entropy of the softmax.

    The loss of a unit with outputs z (C,) and class y is ℓ = log Σ_c exp(z_c) − z_y.

    Attributes:
        classes: The original labels, in the order of the head's outputs.

    Raises:
        ConfigError: Fewer than two classes, or one twice.

    Example:
        >>> task = Multiclass(name="garment", classes=("shirt", "shoe", "bag"))
        >>> task.encode(["bag", None, "shirt"])
        Targets(values=array([2, 0, 0]), labelled=array([ True, False,  True]))
        >>> task.decode([1, 0])
        array(['shoe', 'shirt'], dtype='<U5')
    """

    classes: tuple[Label, ...]

    kind: ClassVar[str] = "multiclass"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1", "log-loss", "auc")

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        object.__setattr__(self, "classes", checked_classes(self.name, self.classes, least=2))

    @property
    def outputs(self) -> int:
        """One output per class."""
        return len(self.classes)

    def fitted(self, labels: Array) -> Self:
        """The task itself: it learns nothing from the labels."""
        del labels
        return self

    def encode(self, labels: Array) -> Targets:
        """Class codes.

        Raises:
            DataError: A label is none of the classes.
        """
        return encode_classes(self.name, self.classes, labels)

    def decode(self, values: Array) -> Array:
        """Original labels of class codes."""
        return decode_classes(self.classes, values)

    def values(self, labels: Array) -> Array:
        """Class codes."""
        return self.encode(labels).values

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, in nats."""
        return functional.cross_entropy(outputs, targets, reduction="none")

    def predict(self, outputs: Tensor) -> Predictions:
        """The most probable class, and the softmax."""
        probabilities = torch.softmax(outputs.double(), dim=1)
        return Predictions(outputs.argmax(dim=1).numpy(force=True), probabilities.numpy(force=True))
