"""Metrics of tagging: entity-level precision, recall and F1, and token accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.metrics.ratio_metrics import metrics_of_counts, ratio_influence, ratio_of_sums, refuse_nothing
from polytask.tasks.metric import Metric, Outcome, Runs
from polytask.tasks.tagging import NO_TAG, OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def find_entities(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the name, first token and end (exclusive) of every entity, as the CoNLL shared tasks count them.

    B-x begins an entity named x; I-x continues an entity of that name, or begins one if there is none to continue.

    Example:
        >>> list(find_entities(["B-city", "I-city", "O", "I-time", "B-time"]))
        [('city', 0, 2), ('time', 3, 4), ('time', 4, 5)]
    """
    name, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, dash, own = tag.partition("-")
        inside = bool(dash) and prefix in ("B", "I")
        if name and not (inside and prefix == "I" and own == name):
            yield name, start, place
            name = ""
        if inside and not name:
            name, start = own, place


def entity_counts(targets: Array, predictions: Array) -> tuple[Floats, Floats, Floats]:
    """Count per row (N,) the entities that are predicted exactly, predicted, and true.

    Args:
        targets: Tags (N,), one string per row; tokens with the tag `-` have no label and are ignored.
        predictions: Predicted tags (N,), likewise; tags after the target's last token are ignored.

    Example:
        >>> [counts.tolist() for counts in entity_counts(["B-a I-a O", "O O"], ["B-a I-a B-b", "O O B-a"])]
        [[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]]
    """
    counts = np.zeros((3, len(targets)))
    for row, (target, prediction) in enumerate(zip(targets, predictions, strict=True)):
        true, predicted = _aligned(target, prediction)
        actual, claimed = set(find_entities(true)), set(find_entities(predicted))
        counts[:, row] = len(actual & claimed), len(claimed), len(actual)
    return counts[0], counts[1], counts[2]


def token_counts(targets: Array, predictions: Array) -> tuple[Floats, Floats]:
    """Count per row (N,) the labeled tokens with the right tag, and all labeled tokens.

    Example:
        >>> [counts.tolist() for counts in token_counts(["O B-a -"], ["O O O"])]
        [[1.0], [2.0]]
    """
    pairs = [_aligned(target, prediction) for target, prediction in zip(targets, predictions, strict=True)]
    right = [sum(a == b for a, b in zip(true, predicted, strict=True)) for true, predicted in pairs]
    return np.array(right, dtype=np.float64), np.array([len(true) for true, _ in pairs], dtype=np.float64)


def _aligned(target: str, prediction: str) -> tuple[list[str], list[str]]:
    """Return the tags of the target and of the prediction for the labeled tokens."""
    true, predicted = target.split(), prediction.split()
    predicted += [OUTSIDE] * (len(true) - len(predicted))
    kept = [(a, b) for a, b in zip(true, predicted, strict=False) if a != NO_TAG]
    return [a for a, _ in kept], [b for _, b in kept]


def token_accuracy(outcome: Outcome) -> float:
    """Compute the share of labeled tokens whose tag is right."""
    return ratio_of_sums(*token_counts(outcome.targets, outcome.predictions))


def _token_accuracy_influence(targets: Array, runs: Runs) -> Floats:
    right, labeled = np.stack([token_counts(targets, row) for row in runs.predictions], axis=1)
    refuse_nothing(labeled, "tokens")
    return ratio_influence(right, labeled)


ENTITY_METRICS = (
    *metrics_of_counts("entity", entity_counts, "entities"),
    Metric("token-accuracy", token_accuracy, higher_is_better=True, perfect=1.0, influence=_token_accuracy_influence),
)
"""Metrics of tagging; entities are counted over all rows and names together."""
