"""Yes or no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from polytask.errors import ConfigError
from polytask.tasks.classes import Array, Label, checked_classes, decode_classes, encode_classes
from polytask.tasks.task import Predictions, Targets, Task


@dataclass(frozen=True, kw_only=True)
class Binary(Task):
    """One of two classes, with the logistic loss of a single output.

    The loss of a unit with output z and label y in {0, 1} is ℓ = log(1 + exp(z)) − y z.

    Attributes:
        classes: The original labels of 0 (negative) and 1 (positive).

    Raises:
        ConfigError: Not exactly two different classes.

    Example:
        >>> task = Binary(name="churn", classes=("stays", "leaves"))
        >>> task.encode(["leaves", "stays"]).values
        array([1, 0])
    """

    classes: tuple[Label, ...] = (0, 1)

    kind: ClassVar[str] = "binary"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "precision", "recall", "f1", "log-loss", "auc")

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        object.__setattr__(self, "classes", checked_classes(self.name, self.classes, least=2))
        if len(self.classes) != 2:
            raise ConfigError("a binary task has two classes", where=f"task {self.name!r}", found=self.classes)

    @property
    def outputs(self) -> int:
        """One: the log-odds of the positive class."""
        return 1

    def fitted(self, labels: Array) -> Self:
        """The task itself: it learns nothing from the labels."""
        del labels
        return self

    def encode(self, labels: Array) -> Targets:
        """0 for the negative, 1 for the positive class.

        Raises:
            DataError: A label is neither.
        """
        return encode_classes(self.name, self.classes, labels)

    def decode(self, values: Array) -> Array:
        """Original labels of 0 and 1."""
        return decode_classes(self.classes, values)

    def values(self, labels: Array) -> Array:
        """Class codes."""
        return self.encode(labels).values

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Logistic loss, in nats."""
        return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), targets.to(outputs.dtype), reduction="none")

    def predict(self, outputs: Tensor) -> Predictions:
        """The positive class where its probability is above one half."""
        positive = torch.sigmoid(outputs.double().squeeze(1))
        probabilities = torch.stack((1 - positive, positive), dim=1)
        return Predictions((outputs.squeeze(1) > 0).long().numpy(force=True), probabilities.numpy(force=True))
