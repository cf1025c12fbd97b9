"""Any number of labels at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import LabelType, Targets, Task, constant, has_label
from polytask.tasks.class_labels import Array, Label, distinct_labels, validated_classes
from polytask.tasks.label_facts import LabelFacts
from polytask.tasks.metric import Predictions
from polytask.tasks.prediction_columns import texts_in

if TYPE_CHECKING:
    from torch import Tensor

LABEL_SEPARATOR = "|"
"""Between the labels of a row in predictions, whatever separates them in the original labels."""
NO_LABELS = "-"


@dataclass(frozen=True, kw_only=True)
class Multilabel(Task):
    """Any number of C labels, none included, with the logistic loss of one output for each.

    The loss of a unit with outputs z (C,) and truths y in {0, 1}ᶜ is ℓ = Σ_c log(1 + exp(z_c)) − y_c z_c; the labeled unit is
    the row, with all its labels. A row's labels are one text with a separator between them, or a tuple, list or set in an array of
    objects (a source takes texts and tuples, and `labels` makes such texts of anything); the text `-`, like an empty tuple, says
    that none applies. Predictions and truths are a row's labels as one text, in the order of the classes and with `|` between them:
    what has a probability above one half.

    Attributes:
        classes: The labels, in the order of the head's outputs: texts.
        separator: What stands between the labels of a row where they are one text.

    Raises:
        ConfigError: No class, one twice, one that is empty, `-`, or holds the separator or `|`; an empty separator.

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
            raise ConfigError("a separator is a text that is not empty", where=f"{where}, separator", found=repr(self.separator))
        texts = tuple(map(str, validated_classes(self.name, self.classes, min_classes=1)))
        for text in texts:
            if text in ("", NO_LABELS) or self.separator in text or LABEL_SEPARATOR in text:
                what = f"a class is a text other than {NO_LABELS}, without {LABEL_SEPARATOR} and the separator in it"
                raise ConfigError(what, where=where, found=repr(text))
        object.__setattr__(self, "classes", validated_classes(self.name, texts, min_classes=1))

    @staticmethod
    def labels(sets: Iterable[Iterable[object] | None]) -> Array:
        """Sets of labels as texts (N,) with `|` between them, `-` for an empty set; None stays None."""
        texts = [None if own is None else LABEL_SEPARATOR.join(sorted(map(str, own))) or NO_LABELS for own in sets]
        return np.array(texts, dtype=object)

    @property
    def outputs(self) -> int:
        """One output per class: the log-odds that it applies."""
        return len(self.classes)

    def encode(self, labels: Array) -> Targets:
        """(N, C) float32, 1 where a class applies.

        Raises:
            DataError: A label is none of the classes, or no set of labels; the message names the row.
        """
        labeled = has_label(labels)
        values = np.zeros((len(labeled), len(self.classes)), dtype=np.float32)
        codes = {text: code for code, text in enumerate(self.classes)}
        for row in np.flatnonzero(labeled).tolist():
            for text in self._texts(labels[row], row):
                if text not in codes:
                    where, remedy = f"task {self.name!r}, row {row + 1}", f"Known classes: {', '.join(map(str, self.classes[:12]))}"
                    what = f"a label is none of the {len(self.classes)} classes"
                    raise DataError(what, where=where, found=repr(text), remedy=remedy + " …" * (len(self.classes) > 12))
                values[row, codes[text]] = 1.0
        return Targets(values, labeled)

    def decode(self, values: Array) -> Array:
        """Predictions are texts of labels already."""
        return np.asarray(values, dtype=object)

    def metric_targets(self, labels: Array) -> Array:
        """(N,) every row's labels as one text, in the order of the classes."""
        return self._joined(self.encode(labels).values > 0)

    def loss_per_unit(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum of the classes' logistic losses, in nats."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="none").sum(dim=1)

    def predict(self, outputs: Tensor) -> Predictions:
        """The classes whose probabilities are above one half, as one text; and the probabilities, each for itself."""
        import torch

        probabilities = torch.sigmoid(outputs.double()).numpy(force=True)
        return Predictions(self._joined((outputs > 0).numpy(force=True)), probabilities)

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """The labels that more than half of the training rows have."""
        return constant(usual_labels(training), targets)

    @classmethod
    def suggested_by(cls, facts: LabelFacts) -> bool:
        """Lists or sets of labels."""
        return facts.sets

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """The classes: all different labels of all rows."""
        del target
        separator = str(options.get("separator", LABEL_SEPARATOR))
        parts = (part for cell in labels[has_label(labels)].tolist() for part in _parts(cell, separator))
        return {} if "classes" in options else {"classes": distinct_labels(parts)}

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """A row's labels as one text, in one order."""
        del task, classes
        return in_one_order(texts_in(frame["target"])), in_one_order(texts_in(frame["prediction"]))

    def _joined(self, applies: Array) -> Array:
        names = np.array(self.classes, dtype=object)
        texts = [LABEL_SEPARATOR.join(names[row]) or NO_LABELS for row in applies]
        return np.array(texts, dtype=object)

    def _texts(self, label: Any, row: int) -> Iterable[str]:  # noqa: ANN401 - whatever stands there
        if isinstance(label, str):
            return [] if label == NO_LABELS else label.split(self.separator)
        if isinstance(label, tuple | list | set | frozenset):
            return map(str, label)
        where = f"task {self.name!r}, row {row + 1}"
        raise DataError("labels of a row are one text, or a tuple, list or set of them", where=where, found=repr(label))


def _parts(cell: Any, separator: str) -> list[Any]:  # noqa: ANN401 - a text, or several labels
    if not isinstance(cell, str):
        return list(cell)
    return [] if cell == NO_LABELS else cell.split(separator)


def labels_of(text: str) -> frozenset[str]:
    """The labels of a row.

    Example:
        >>> sorted(labels_of("sport|music")), sorted(labels_of("-"))
        (['music', 'sport'], [])
    """
    return frozenset() if text == NO_LABELS else frozenset(text.split(LABEL_SEPARATOR))


def in_one_order(texts: Array) -> Array:
    """The same sets with their labels in alphabetical order, so that equal sets are equal texts.

    Example:
        >>> in_one_order(["b|a", "-"]).tolist()
        ['a|b', '-']
    """
    return np.array([LABEL_SEPARATOR.join(sorted(labels_of(text))) or NO_LABELS for text in texts], dtype=object)


def usual_labels(training: Array) -> str:
    """The labels that more than half of the rows have, as one text; in the order that the rows have them in.

    Example:
        >>> usual_labels(["b", "a|b", "a|b|c"]), usual_labels(["a", "b"])
        ('a|b', '-')
    """
    counts = Counter(label for text in training for label in labels_of(text))
    usual = [label for label, count in counts.items() if 2 * count > len(training)]
    # Any two of them meet in some row, which tells their order.
    rows = ([label for label in text.split(LABEL_SEPARATOR) if label in usual] for text in training)
    pairs = {pair for row in rows for pair in combinations(row, 2)}
    return LABEL_SEPARATOR.join(sorted(usual, key=lambda label: sum((other, label) in pairs for other in usual))) or NO_LABELS
