"""Multilabel classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import LabelType, Targets, Task, constant, has_label
from polytask.tasks.class_labels import Array, Label, distinct_labels, validated_classes
from polytask.tasks.metric import Predictions
from polytask.tasks.prediction_parsing import texts_in
from polytask.tasks.type_of_target import LabelFacts

if TYPE_CHECKING:
    from torch import Tensor

LABEL_SEPARATOR = "|"
"""Separator of the labels of a row in predictions, whatever separates them in the original labels."""
NO_LABELS = "-"
"""String that stands for an empty set of labels."""


@dataclass(frozen=True, kw_only=True)
class Multilabel(Task):
    """Multilabel classification: zero or more of C labels, with the logistic loss of one output per label.

    The loss of a unit with outputs z (C,) and targets y in {0, 1}ᶜ is ℓ = Σ_c log(1 + exp(z_c)) − y_c z_c; the labeled unit is
    the row, with all its labels. The labels of a row are one string with a separator between them, or a tuple, list or set in an
    array of objects (a source accepts strings and tuples, and `labels` converts any sets to such strings); the string `-`, like an
    empty tuple, means that no label applies. Predictions and targets of metrics are one string per row, in the order of the classes
    and separated by `|`. A label is predicted if its probability is above one half.

    Attributes:
        classes: Labels as strings, in the order of the head's outputs.
        separator: Separator of the labels of a row that are given as one string.

    Raises:
        ConfigError: There is no class; a class is repeated, empty, `-`, or contains the separator or `|`; the separator is empty.

    Example:
        >>> task = Multilabel(name="topics", classes=("sport", "politics", "music"), separator=", ")
        >>> labels = np.array(["music, sport", None, "-"], dtype=object)
        >>> task.encode(labels).values.tolist(), task.encode(labels).labeled.tolist()
        ([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [True, False, True])
        >>> task.metric_targets(labels[[0, 2]]).tolist()
        ['sport|music', '-']
        >>> Multilabel.labels([{"sport", "music"}, [], None]).tolist()
        ['music|sport', '-', None]
    """

    classes: tuple[Label, ...]
    separator: str = LABEL_SEPARATOR

    kind: ClassVar[str] = "multilabel"
    metrics: ClassVar[tuple[str, ...]] = ("micro-f1", "micro-precision", "micro-recall", "accuracy")
    label_type: ClassVar[LabelType] = LabelType.SET

    def __post_init__(self) -> None:
        Task.__post_init__(self)
        where = f"task {self.name!r}"
        if not isinstance(self.separator, str) or not self.separator:
            raise ConfigError("the separator must be a non-empty string", where=f"{where}, separator", found=repr(self.separator))
        texts = tuple(map(str, validated_classes(self.name, self.classes, min_classes=1)))
        for text in texts:
            if text in ("", NO_LABELS) or self.separator in text or LABEL_SEPARATOR in text:
                what = f"a class must be a non-empty string other than {NO_LABELS}, without {LABEL_SEPARATOR} and the separator in it"
                raise ConfigError(what, where=where, found=repr(text))
        object.__setattr__(self, "classes", validated_classes(self.name, texts, min_classes=1))

    @staticmethod
    def labels(sets: Iterable[Iterable[object] | None]) -> Array:
        """Return sets of labels as strings (N,) with `|` between the labels: `-` for an empty set, `None` for `None`."""
        texts = [None if own is None else LABEL_SEPARATOR.join(sorted(map(str, own))) or NO_LABELS for own in sets]
        return np.array(texts, dtype=object)

    @property
    def outputs(self) -> int:
        """Number of outputs: one per class, the log-odds that it applies."""
        return len(self.classes)

    def encode(self, labels: Array) -> Targets:
        """Encode labels as (N, C) float32, 1 where a class applies.

        Raises:
            DataError: A label is none of the classes, or an entry is not a set of labels; the message names the row.
        """
        labeled = has_label(labels)
        values = np.zeros((len(labeled), len(self.classes)), dtype=np.float32)
        codes = {text: code for code, text in enumerate(self.classes)}
        for row in np.flatnonzero(labeled).tolist():
            for text in self._texts(labels[row], row):
                if text not in codes:
                    where, remedy = f"task {self.name!r}, row {row + 1}", f"Known classes: {', '.join(map(str, self.classes[:12]))}"
                    what = f"every label must be one of the {len(self.classes)} classes"
                    raise DataError(what, where=where, found=repr(text), remedy=remedy + " …" * (len(self.classes) > 12))
                values[row, codes[text]] = 1.0
        return Targets(values, labeled)

    def decode(self, values: Array) -> Array:
        """Return the predictions, which are strings of labels already."""
        return np.asarray(values, dtype=object)

    def metric_targets(self, labels: Array) -> Array:
        """Return the labels of every row as one string (N,), in the order of the classes."""
        return self._joined(self.encode(labels).values > 0)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the sum of the logistic losses of the classes, in nats."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="none").sum(dim=1)

    def loss_options(self) -> Hashable:
        """Return what the loss depends on: nothing."""
        return ()

    def predict(self, outputs: Tensor) -> Predictions:
        """Predict the classes whose probabilities are above one half, as one string per row, and the probability of each class."""
        import torch

        probabilities = torch.sigmoid(outputs.double()).numpy(force=True)
        return Predictions(self._joined((outputs > 0).numpy(force=True)), probabilities)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict the labels that more than half of the training rows have."""
        return constant(usual_labels(training), targets)

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Return whether the labels are lists or sets."""
        return facts.sets

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the classes, all distinct labels of all rows, unless they are given."""
        del target
        separator = str(options.get("separator", LABEL_SEPARATOR))
        parts = (part for cell in labels[has_label(labels)].tolist() for part in _parts(cell, separator))
        return {} if "classes" in options else {"classes": distinct_labels(parts)}

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read the labels of every row as one string, in alphabetical order."""
        del task, classes
        return in_one_order(texts_in(frame["target"])), in_one_order(texts_in(frame["prediction"]))

    def _joined(self, applies: Array) -> Array:
        names = np.array(self.classes, dtype=object)
        texts = [LABEL_SEPARATOR.join(names[row]) or NO_LABELS for row in applies]
        return np.array(texts, dtype=object)

    def _texts(self, label: Any, row: int) -> Iterable[str]:  # noqa: ANN401 - a label of any type
        if isinstance(label, str):
            return [] if label == NO_LABELS else label.split(self.separator)
        if isinstance(label, tuple | list | set | frozenset):
            return map(str, label)
        where = f"task {self.name!r}, row {row + 1}"
        raise DataError("the labels of a row must be one string, or a tuple, list or set", where=where, found=repr(label))


def _parts(cell: Any, separator: str) -> list[Any]:  # noqa: ANN401 - a string or a collection of labels
    if not isinstance(cell, str):
        return list(cell)
    return [] if cell == NO_LABELS else cell.split(separator)


def labels_of(text: str) -> frozenset[str]:
    """Return the labels of a row as a set.

    Example:
        >>> sorted(labels_of("sport|music")), sorted(labels_of("-"))
        (['music', 'sport'], [])
    """
    return frozenset() if text == NO_LABELS else frozenset(text.split(LABEL_SEPARATOR))


def in_one_order(texts: Array) -> Array:
    """Return the same sets with their labels in alphabetical order, so that equal sets are equal strings.

    Example:
        >>> in_one_order(["b|a", "-"]).tolist()
        ['a|b', '-']
    """
    return np.array([LABEL_SEPARATOR.join(sorted(labels_of(text))) or NO_LABELS for text in texts], dtype=object)


def usual_labels(training: Array) -> str:
    """Return the labels that more than half of the rows have, as one string, in the order in which rows list them.

    Example:
        >>> usual_labels(["b", "a|b", "a|b|c"]), usual_labels(["a", "b"])
        ('a|b', '-')
    """
    counts = Counter(label for text in training for label in labels_of(text))
    usual = [label for label, count in counts.items() if 2 * count > len(training)]
    # Two labels that more than half of the rows have occur together in some row, which gives their order.
    rows = ([label for label in text.split(LABEL_SEPARATOR) if label in usual] for text in training)
    pairs = {pair for row in rows for pair in combinations(row, 2)}
    return LABEL_SEPARATOR.join(sorted(usual, key=lambda label: sum((other, label) in pairs for other in usual))) or NO_LABELS
