"""Tagging of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError
from polytask.tasks.base import LabelType, Targets, Task, has_label
from polytask.tasks.class_labels import Array, Label, decode_classes, encode_classes, validated_classes
from polytask.tasks.ignored_labels import mask_ignored
from polytask.tasks.metric import Predictions
from polytask.tasks.prediction_parsing import texts_in

if TYPE_CHECKING:
    from torch import Tensor

NO_TAG, OUTSIDE = "-", "O"
"""Tags of a token without a label, and of a token outside every entity."""


@dataclass(frozen=True, kw_only=True)
class Tagging(Task):
    """Tagging of every token of a row with one of C tags, such as the slots of a sentence, with the cross-entropy of the softmax.

    The loss of a token with outputs z (C,) and tag y is ℓ = log Σ_c exp(z_c) − z_y; the labeled unit is the token. Predictions and
    targets of metrics are the tags of a row as one string, separated by spaces. Tags that begin with B- and I- mark the beginning
    and the continuation of entities, and all other tags are outside: the first metric counts an entity as found if its first token,
    its last token and its name are right.

    Attributes:
        classes: Tags in the order of the head's outputs, as strings without whitespace.
        ignore_index: Label of tokens without a tag, such as "X" or -100; it counts as a missing label everywhere. `None` if there is no
            such label.

    Raises:
        ConfigError: There are fewer than two tags, or a tag is repeated, contains whitespace, is `-`, or is the ignored label.

    Example:
        >>> task = Tagging(name="slots", classes=("O", "B-city", "I-city"))
        >>> labels = np.array([["O", "B-city", "I-city"], ["B-city", None, None]], dtype=object)
        >>> task.encode(labels).values.tolist(), task.metric_targets(labels).tolist()
        ([[0, 1, 2], [1, 0, 0]], ['O B-city I-city', 'B-city'])
    """

    classes: tuple[Label, ...]
    ignore_index: Label | None = None

    written_if_set: ClassVar[tuple[str, ...]] = ("ignore_index",)
    kind: ClassVar[str] = "tagging"
    metrics: ClassVar[tuple[str, ...]] = ("entity-f1", "entity-precision", "entity-recall", "token-accuracy")
    label_type: ClassVar[LabelType] = LabelType.SEQUENCE
    per_token: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        tags = tuple(map(str, validated_classes(self.name, self.classes, min_classes=2, ignored=self.ignore_index)))
        for tag in tags:
            if tag.split() != [tag] or tag == NO_TAG:
                raise ConfigError(f"a tag must be one word other than {NO_TAG}", where=f"task {self.name!r}", found=repr(tag))
        object.__setattr__(self, "classes", tags)

    @property
    def outputs(self) -> int:
        """Number of outputs: one per tag."""
        return len(self.classes)

    def encode(self, labels: Array) -> Targets:
        """Encode labels as codes of tags (N, L).

        Raises:
            DataError: A label is none of the tags.
        """
        found = encode_classes(self.name, self.classes, self.known_labels(labels).ravel())
        shape = np.shape(labels)
        return Targets(found.values.reshape(shape), found.labeled.reshape(shape))

    def known_labels(self, labels: Array) -> Array:
        """Return the labels with those that equal `ignore_index` missing."""
        return mask_ignored(labels, self.ignore_index)

    def decode(self, values: Array) -> Array:
        """Return the predictions, which are strings of tags already."""
        return np.asarray(values, dtype=object)

    def metric_targets(self, labels: Array) -> Array:
        """Return the tags of every row as one string (N,), with `-` for tokens without a label before the last labeled one."""
        known = self.known_labels(labels)
        return _joined(known, has_label(known))

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the cross-entropy, in nats."""
        from torch.nn import functional

        return functional.cross_entropy(outputs, targets, reduction="none")

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the most probable tags of every row, as one string (N,), with `-` for missing steps before the last one that is there."""
        import torch

        there = (~torch.isnan(outputs).any(dim=2)).numpy(force=True)
        return Predictions(_joined(decode_classes(self.classes, outputs.argmax(dim=2).numpy(force=True)), there), None)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict that there is no entity."""
        del training
        return Predictions(outside(targets), None)

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read the tags of every row as one string."""
        del task, classes
        return texts_in(frame["target"]), texts_in(frame["prediction"])


def _joined(tags: Array, there: NDArray[np.bool_]) -> Array:
    """Return tags (N, L) as one string per row up to its last tag that is there, with `-` for those that are not."""
    ends = np.where(there.any(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1), 0)
    texts = [" ".join(np.where(own, row, NO_TAG)[:end]) for row, own, end in zip(tags, there, ends, strict=True)]
    return np.array(texts, dtype=object)


def outside(targets: Array) -> Array:
    """Return predictions without any entity, as many tags per row as the target has.

    Example:
        >>> outside(["B-a O"]).tolist()
        ['O O']
    """
    return np.array([" ".join([OUTSIDE] * len(target.split())) for target in targets], dtype=object)
