"""Sets of labels, a row's as one text: which were found, which were claimed, which are there."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

JOINT, NONE_OF_THEM = "|", "-"


def labels_of(text: str) -> frozenset[str]:
    """The labels of a row.

    Example:
        >>> sorted(labels_of("sport|music")), sorted(labels_of("-"))
        (['music', 'sport'], [])
    """
    return frozenset() if text == NONE_OF_THEM else frozenset(text.split(JOINT))


def label_counts(targets: Array, predictions: Array) -> tuple[Floats, Floats, Floats]:
    """Per row (N,) how many labels were found, were claimed, and are there.

    Example:
        >>> [counts.tolist() for counts in label_counts(["a|b", "-"], ["b|c", "a"])]
        [[1.0, 0.0], [2.0, 1.0], [2.0, 0.0]]
    """
    pairs = [(labels_of(target), labels_of(prediction)) for target, prediction in zip(targets, predictions, strict=True)]
    counts = np.array([(len(actual & claimed), len(claimed), len(actual)) for actual, claimed in pairs], dtype=np.float64)
    right, claimed, actual = counts.reshape(-1, 3).T
    return right, claimed, actual


def in_one_order(texts: Array) -> Array:
    """The same sets with their labels in alphabetical order, so that equal sets are equal texts.

    Example:
        >>> in_one_order(["b|a", "-"]).tolist()
        ['a|b', '-']
    """
    return np.array([JOINT.join(sorted(labels_of(text))) or NONE_OF_THEM for text in texts], dtype=object)


def usual_labels(training: Array) -> str:
    """The labels that more than half of the rows have, as one text; in the order that the rows have them in.

    Example:
        >>> usual_labels(["b", "a|b", "a|b|c"]), usual_labels(["a", "b"])
        ('a|b', '-')
    """
    counts = Counter(label for text in training for label in labels_of(text))
    usual = [label for label, count in counts.items() if 2 * count > len(training)]
    # Any two of them meet in some row, which tells their order.
    rows = ([label for label in text.split(JOINT) if label in usual] for text in training)
    pairs = {pair for row in rows for pair in combinations(row, 2)}
    return JOINT.join(sorted(usual, key=lambda label: sum((other, label) in pairs for other in usual))) or NONE_OF_THEM
