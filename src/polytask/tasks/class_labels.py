"""Class labels and their codes, shared by all task kinds with classes."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.errors import ConfigError, DataError
from polytask.registry.resolve import described
from polytask.tasks.base import LabelType, Targets, Task, has_label
from polytask.tasks.ignored_labels import check_ignore_index, mask_ignored
from polytask.tasks.metric import Predictions
from polytask.tasks.prediction_parsing import class_codes, codes_in_order
from polytask.tasks.tabular_learning import TabularLearning

Array = NDArray[Any]
Label = int | float | str | bool
USUAL_MARKS = (-100, -1, 255)
"""Numbers that usually mark a missing label: PyTorch's default, scikit-learn's, and the largest byte."""


@dataclass(frozen=True, kw_only=True)
class ClassTask(Task, ABC):
    """Base class of tasks whose label is one of several classes.

    Attributes:
        classes: Original labels, in the order of their codes.
        ignore_index: Label that means that there is none, such as -100 or 255; `None` if there is no such label.
    """

    classes: tuple[Label, ...]
    ignore_index: Label | None = None

    written_if_set: ClassVar[tuple[str, ...]] = ("ignore_index",)
    label_type: ClassVar[LabelType] = LabelType.CLASS

    def encode(self, labels: Array) -> Targets:
        """Encode labels as class codes.

        Raises:
            DataError: A label is none of the classes.
        """
        return encode_classes(self.name, self.classes, self.known_labels(labels))

    def known_labels(self, labels: Array) -> Array:
        """Return the labels with those that equal `ignore_index` missing."""
        return mask_ignored(labels, self.ignore_index)

    def decode(self, values: Array) -> Array:
        """Decode class codes to original labels."""
        return decode_classes(self.classes, values)

    def metric_targets(self, labels: Array) -> Array:
        """Return class codes."""
        return self.encode(labels).values

    def chosen(self, probabilities: Array) -> Array:
        """Return the codes (n,) of the classes to predict from probabilities (n, C); by default the most probable classes."""
        return np.asarray(probabilities.argmax(axis=1))

    def best_constant(self, counts: NDArray[np.int64]) -> int:
        """Return the code of the best constant prediction; by default the most frequent class, the first of several.

        Args:
            counts: Number of training labels (C,) per class.
        """
        return int(counts.argmax())

    def trivial_predictions(self, training: Array, targets: Array) -> Predictions:
        """Predict the best constant class, with the class frequencies as probabilities."""
        classes = max(2, int(training.max()) + 1, int(targets.max(initial=0)) + 1)
        counts = np.bincount(training, minlength=classes)
        frequencies = counts / len(training)
        chosen = np.full(len(targets), self.best_constant(counts), dtype=np.int64)
        return Predictions(chosen, np.tile(frequencies, (len(targets), 1)))

    def tabular_learning(self) -> TabularLearning:
        """Return a classifier, whose probabilities decide the predicted class."""
        return TabularLearning(lambda probabilities: Predictions(self.chosen(probabilities), probabilities), classes=len(self.classes))

    @classmethod
    def options_from_labels(cls, target: str, labels: Array, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the classes, all different labels in order but the ignored one, unless they are given."""
        del target
        known = mask_ignored(labels, options.get("ignore_index"))
        return {} if "classes" in options else {"classes": distinct_labels(known[has_label(known)].tolist())}

    @classmethod
    def read_predictions(cls, task: str, frame: pd.DataFrame, classes: Sequence[Any] | None = None) -> tuple[Array, Array]:
        """Read class codes, in the order of `classes` or, without them, in sorted order of the labels."""
        return class_codes(task, frame) if classes is None else codes_in_order(task, frame, classes)


def distinct_labels(labels: Iterable[Any]) -> tuple[Any, ...]:
    """Return the distinct labels, sorted; floats that are whole numbers become integers.

    Example:
        >>> distinct_labels([2.0, 10.0, 2.0])
        (2, 10)
    """
    plain = {int(value) if isinstance(value, float) and value.is_integer() else value for value in labels}
    try:
        return tuple(sorted(plain))
    except TypeError:  # strings and numbers cannot be compared
        return tuple(sorted(plain, key=lambda label: (type(label).__name__, str(label))))


def validated_classes(task: str, classes: tuple[Any, ...], *, min_classes: int, ignored: object = None) -> tuple[Label, ...]:
    """Return the classes as plain Python values.

    Raises:
        ConfigError: The classes are not listed, there are too few of them, a class is repeated or is a missing value, or the ignored label
            is a class.
    """
    given: object = classes
    if not isinstance(given, Iterable) or isinstance(given, str):
        found = described(given)
        raise ConfigError("the classes must be listed", where=f"task {task!r}, classes", found=found, remedy="Write classes=(0, 1, 2)")
    plain = tuple(value.item() if isinstance(value, np.generic) else value for value in classes)
    if len(plain) < min_classes:
        raise ConfigError(f"at least {min_classes} classes are needed", where=f"task {task!r}", found=plain)
    if any(value is None or value != value for value in plain):
        raise ConfigError("classes must not contain NaN or None, which mean a missing label", where=f"task {task!r}", found=plain)
    if len(set(plain)) < len(plain):
        raise ConfigError("classes must be unique", where=f"task {task!r}", found=plain)
    check_ignore_index(f"task {task!r}, ignore_index", ignored, plain)
    return plain


def encode_classes(task: str, classes: tuple[Label, ...], labels: Array) -> Targets:
    """Encode labels as codes 0 to C − 1, in the order of `classes`.

    Raises:
        DataError: A label is none of the classes; the message names the row.
    """
    labels = np.asarray(labels)
    labeled = has_label(labels)
    # As objects, labels compare as in Python (1 == 1.0 == True), even if a gap changed the type of the column.
    codes = pd.Index(list(classes), dtype=object).get_indexer(pd.Index(labels, dtype=object))
    foreign = np.flatnonzero(labeled & (codes < 0))
    if len(foreign):
        found = labels[foreign[0]].item() if isinstance(labels[foreign[0]], np.generic) else labels[foreign[0]]
        marks = f". If it marks a missing label: ignore_index={found:g}" if found in USUAL_MARKS else ""
        raise DataError(
            f"every label must be one of the {len(classes)} classes",
            where=f"task {task!r}, row {foreign[0] + 1}",
            found=repr(found),
            remedy=f"Known classes: {', '.join(map(str, classes[:12]))}{' …' if len(classes) > 12 else ''}{marks}",
        )
    return Targets(np.where(labeled, codes, 0).astype(np.int64), labeled)


def decode_classes(classes: tuple[Label, ...], codes: Array) -> Array:
    """Return the class of every code."""
    plain = np.asarray(classes)
    if plain.tolist() != list(classes):  # NumPy has no common exact type of 1 and "a", or of a fraction and an integer above 2⁵³
        plain = np.fromiter(classes, dtype=object, count=len(classes))
    found: Array = plain[np.asarray(codes, dtype=np.int64)]
    return found
