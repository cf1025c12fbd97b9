"""Class labels and their codes: what the kinds with classes share."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.tasks.base import LabelType, Targets, Task, has_label
from polytask.tasks.boosting import Boosting
from polytask.tasks.metric import Predictions
from polytask.tasks.prediction_columns import class_codes, codes_in_order

Array = NDArray[Any]
Label = int | float | str | bool


@dataclass(frozen=True, kw_only=True)
class ClassTask(Task, ABC):
    """A task whose label is one of several classes.

    Attributes:
        classes: The original labels, in the order of their codes.
    """

    classes: tuple[Label, ...]

    label_type: ClassVar[LabelType] = LabelType.CLASS

    def encode(self, labels: Array) -> Targets:
        """Class codes.

        Raises:
            DataError: A label is none of the classes.
        """
        return encode_classes(self.name, self.classes, labels)

    def decode(self, values: Array) -> Array:
        """Original labels of class codes."""
        return decode_classes(self.classes, values)

    def metric_targets(self, labels: Array) -> Array:
        """Class codes."""
        return self.encode(labels).values

    def chosen(self, probabilities: Array) -> Array:
        """(n,) the class that is predicted where classes have these probabilities (n, C): the most probable."""
        return np.asarray(probabilities.argmax(axis=1))

    def best_constant(self, counts: NDArray[np.int64]) -> int:
        """The class that is predicted where each is met so often, and nothing else is known: the most frequent, the first of several."""
        return int(counts.argmax())

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """The best constant class, with the frequencies of all classes as probabilities."""
        classes = max(2, int(training.max()) + 1, int(targets.max(initial=0)) + 1)
        counts = np.bincount(training, minlength=classes)
        frequencies = counts / len(training)
        chosen = np.full(len(targets), self.best_constant(counts), dtype=np.int64)
        return Predictions(chosen, np.tile(frequencies, (len(targets), 1)))

    def boosting(self) -> Boosting:
        """A classifier; its probabilities tell the class."""
        return Boosting(lambda probabilities: Predictions(self.chosen(probabilities), probabilities), classes=len(self.classes))

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """The classes: all different labels in order."""
        del target
        return {} if "classes" in options else {"classes": distinct_labels(labels[has_label(labels)].tolist())}

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Class codes: in the order of the classes where they are given, or else in that of their names."""
        return class_codes(task, frame) if classes is None else codes_in_order(task, frame, classes)


def distinct_labels(labels: Iterable[Any]) -> tuple[Any, ...]:
    """The different labels in order, of numbers by size, of words by letter; whole numbers as such.

    Example:
        >>> distinct_labels([2.0, 10.0, 2.0])
        (2, 10)
    """
    plain = {int(value) if isinstance(value, float) and value.is_integer() else value for value in labels}
    try:
        return tuple(sorted(plain))
    except TypeError:  # words and numbers have no order
        return tuple(sorted(plain, key=lambda label: (type(label).__name__, str(label))))


def validated_classes(task: str, classes: tuple[Any, ...], *, min_classes: int) -> tuple[Label, ...]:
    """The classes as plain Python values.

    Raises:
        ConfigError: There are too few, one stands there twice, or one is a gap.
    """
    plain = tuple(value.item() if isinstance(value, np.generic) else value for value in classes)
    if len(plain) < min_classes:
        raise ConfigError(f"at least {min_classes} classes are needed", where=f"task {task!r}", found=plain)
    if any(value is None or value != value for value in plain):
        raise ConfigError("NaN and None mean that there is no label, and are no classes", where=f"task {task!r}", found=plain)
    if len(set(plain)) < len(plain):
        raise ConfigError("every class stands once in the list", where=f"task {task!r}", found=plain)
    return plain


def encode_classes(task: str, classes: tuple[Label, ...], labels: Array) -> Targets:
    """Codes 0 to C - 1 in the order of `classes`.

    Raises:
        DataError: A label is none of the classes; the message names the row.
    """
    labels = np.asarray(labels)
    labeled = has_label(labels)
    # As objects, labels compare as in Python (1 == 1.0 == True), whether or not a gap made the column another type.
    codes = pd.Index(list(classes), dtype=object).get_indexer(pd.Index(labels, dtype=object))
    foreign = np.flatnonzero(labeled & (codes < 0))
    if len(foreign):
        raise DataError(
            f"a label is none of the {len(classes)} classes",
            where=f"task {task!r}, row {foreign[0] + 1}",
            found=repr(labels[foreign[0]].item() if isinstance(labels[foreign[0]], np.generic) else labels[foreign[0]]),
            remedy=f"Known classes: {', '.join(map(str, classes[:12]))}{' …' if len(classes) > 12 else ''}",
        )
    return Targets(np.where(labeled, codes, 0).astype(np.int64), labeled)


def decode_classes(classes: tuple[Label, ...], codes: Array) -> Array:
    """The class of every code."""
    plain = np.asarray(classes)
    if plain.tolist() != list(classes):  # 1 and "a" have no common type, nor do an integer above 2⁵³ and a fraction
        plain = np.fromiter(classes, dtype=object, count=len(classes))
    found: Array = plain[np.asarray(codes, dtype=np.int64)]
    return found
