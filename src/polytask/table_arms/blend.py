"""Weights of several models' predictions of one task, learned from predictions of rows that the models have not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polytask.table_arms.proper_scores import row_losses
from polytask.table_arms.table_model_base import Floats
from polytask.tasks.tabular_learning import TabularLearning

ROUNDS = 20
"""Number of votes that the greedy selection gives."""


@dataclass(frozen=True)
class TaskBlend:
    """Choice of models for one task.

    Attributes:
        weights: Weight of each arm; they are at least 0 and sum to 1.
        loss: Mean proper score out of fold, of weights that were learned on the other folds.
        losses: Mean proper score out of fold of each arm alone.
        trivial: That of a model that ignores the inputs.
        gain: Mean difference of losses to the second-best arm alone, above 0 where the choice is better.
        error: Standard error of the gain over rows.
    """

    weights: Mapping[str, float]
    loss: float
    losses: Mapping[str, float]
    trivial: float
    gain: float
    error: float


def blend_task(
    learning: TabularLearning, targets: Floats, folds: NDArray[np.int64], outputs: Mapping[str, Floats], trivial: Floats, weights: Floats
) -> TaskBlend:
    """Return the weights of arms for a task: of all arms, or the best one alone if blending does not pay on other folds.

    The weights are those of the greedy selection with replacement by Caruana et al. (ICML 2004): each of 20 rounds gives a vote to the
    arm that lowers the loss of the mean most. What blending gains is judged by nested scores: weights that were learned on all other
    folds predict a fold.

    Args:
        learning: How the task is learned.
        targets: (n,) targets of the labeled rows.
        folds: (n,) fold of each row.
        outputs: Raw outputs of each arm, for rows that it has not learned from.
        trivial: Raw outputs of a model that ignores the inputs.
        weights: (n,) factors of the rows' losses.
    """
    names = list(outputs)
    single = {name: row_losses(learning, targets, outputs[name]) for name in names}
    means = {name: float(np.average(own, weights=weights)) for name, own in single.items()}
    best = min(names, key=lambda name: means[name])
    nested, alone = np.zeros(len(targets)), np.zeros(len(targets))
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        if not outside.any():
            outside = inside
        votes = _votes(learning, targets[outside], [outputs[name][outside] for name in names], weights[outside])
        mixed = sum(share * outputs[name][inside] for share, name in zip(votes, names, strict=True))
        nested[inside] = row_losses(learning, targets[inside], np.asarray(mixed))
        chosen = min(names, key=lambda name: float(np.average(single[name][outside], weights=weights[outside])))
        alone[inside] = single[chosen][inside]
    blended = float(np.average(nested, weights=weights)) < float(np.average(alone, weights=weights))
    votes = _votes(learning, targets, [outputs[name] for name in names], weights) if blended else np.array([name == best for name in names])
    own = nested if blended else alone
    others = sorted((name for name in names if blended or name != best), key=lambda name: means[name])
    gain = (single[others[0]] - own) if others else np.zeros(len(own))
    return TaskBlend(
        {name: float(vote) for name, vote in zip(names, votes, strict=True) if vote > 0},
        float(np.average(own, weights=weights)),
        means,
        float(np.average(row_losses(learning, targets, trivial), weights=weights)),
        float(np.average(gain, weights=weights)),
        float(np.std(gain) / max(1, len(gain)) ** 0.5),
    )


def _votes(learning: TabularLearning, targets: Floats, outputs: list[Floats], weights: Floats) -> Floats:
    """Return the shares of votes (arms,) of the greedy selection; the first of equal arms wins."""
    votes, total = np.zeros(len(outputs)), np.zeros_like(outputs[0])
    best, kept = np.inf, votes
    for count in range(1, ROUNDS + 1):
        losses = [np.average(row_losses(learning, targets, (total + own) / count), weights=weights) for own in outputs]
        place = int(np.argmin(losses))
        votes, total = votes + np.eye(len(outputs))[place], total + outputs[place]
        if losses[place] < best:
            best, kept = losses[place], votes / count
    return kept
