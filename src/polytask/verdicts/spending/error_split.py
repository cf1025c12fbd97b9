"""How the error is split between the tasks and their mean, and handed on.

The mean over tasks (pooled) has a fifth of the familywise error, the tasks have the rest. Each family is tested by Holm's step-down
(Scandinavian Journal of Statistics 6:65, 1979). A family that is rejected as a whole hands its error to the other one, which is tested
again, as in the graphs of Bretz, Maurer, Brannath & Posch (Statistics in Medicine 28:586, 2009) and, with looks, of Maurer & Bretz
(Statistics in Biopharmaceutical Research 5:311, 2013): every hypothesis spends its own error over the looks, in proportion to what it
has. The pooled figure is never a gate: tasks are tested whatever it says.

The procedure needs one number per hypothesis: the smallest error at which its intervals exclude 0 (`RepeatedEstimate.rejection_error`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FAMILYWISE_LEVEL = 0.05
POOLED_SHARE = 0.2
"""Share of the error for the mean over tasks; .01 of .05."""


def family_errors(level: ArrayLike, pooled: int, tasks: int) -> tuple[Floats, Floats]:
    """Return the errors of both families; a family without hypotheses has none.

    Example:
        >>> [error.round(3).item() for error in family_errors(0.05, 1, 2)], [error.item() for error in family_errors(0.05, 0, 1)]
        ([0.01, 0.04], [0.0, 0.05])
    """
    whole = np.asarray(level, dtype=np.float64)
    share = POOLED_SHARE if pooled and tasks else float(pooled > 0)
    return whole * share, whole * (1 - share)


def rejection_levels(pooled: ArrayLike, tasks: ArrayLike, level: ArrayLike = FAMILYWISE_LEVEL) -> tuple[Floats, Floats]:
    """Test both families, for any number of studies at once.

    Args:
        pooled: (..., P) smallest errors at which the intervals of the means over tasks exclude 0; P is the number of arms, or 0.
        tasks: (..., T) the same of the tasks.
        level: (...) familywise error.

    Returns:
        (..., P) and (..., T) errors at which the hypotheses were rejected; 0 for those that were not.

    Example:
        >>> pooled, tasks = rejection_levels([0.004], [0.022, 0.3])  # the pooled figure hands its error on
        >>> pooled.round(3).tolist(), tasks.round(3).tolist()
        ([0.01], [0.025, 0.0])
    """
    families = [np.asarray(pooled, dtype=np.float64), np.asarray(tasks, dtype=np.float64)]
    shape = np.broadcast_shapes(families[0].shape[:-1], families[1].shape[:-1], np.shape(level))
    families = [np.broadcast_to(family, (*shape, family.shape[-1])) for family in families]
    own = [np.broadcast_to(error, shape) for error in family_errors(level, *(family.shape[-1] for family in families))]
    found = [step_down(family, error) for family, error in zip(families, own, strict=True)]
    for here, there in ((1, 0), (0, 1), (1, 0)):
        handed = np.where((found[there] > 0).all(axis=-1), own[there], 0.0)
        found[here] = step_down(families[here], own[here] + handed, found[here])
    return found[0], found[1]


def step_down(errors: Floats, level: ArrayLike, rejected: Floats | None = None) -> Floats:
    """Apply Holm's step-down: reject everything below level / k with k hypotheses left, until nothing is rejected any more.

    Args:
        errors: (..., T) smallest errors at which the hypotheses are rejected.
        level: (...) error of the family.
        rejected: (..., T) errors at which hypotheses were rejected already, 0 for the others.

    Returns:
        (..., T) error level / k at which a hypothesis was rejected; 0 for those that were not.

    Example:
        >>> step_down(np.array([0.029, 0.01, 0.2]), 0.06).round(3).tolist()
        [0.03, 0.02, 0.0]
    """
    found = np.zeros(errors.shape) if rejected is None else rejected.copy()
    for _ in range(errors.shape[-1]):
        left = (found == 0).sum(axis=-1, keepdims=True)
        own = np.asarray(level, dtype=np.float64)[..., None] / np.maximum(left, 1)
        now = (found == 0) & (errors < own)
        if not now.any():
            break
        found = np.where(now, own, found)
    return found


def adjusted_errors(pooled: ArrayLike, tasks: ArrayLike) -> tuple[Floats, Floats]:
    """Return the smallest familywise error (P,) and (T,) at which each hypothesis of one study is rejected: its adjusted p value.

    Example:
        >>> [values.round(4).tolist() for values in adjusted_errors([0.002], [0.01, 0.04])]
        [[0.01], [0.02, 0.04]]
    """
    of_pooled, of_tasks = np.asarray(pooled, dtype=np.float64), np.asarray(tasks, dtype=np.float64)
    number = of_pooled.size + of_tasks.size
    low, high = np.full(number, np.log(1e-300)), np.zeros(number)
    for _ in range(60):  # bisection on the log scale: what is rejected at one error is rejected at every larger one
        middle = (low + high) / 2
        found = np.concatenate(rejection_levels(of_pooled, of_tasks, np.exp(middle)), axis=-1)
        there = np.diagonal(found) > 0
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    smallest = np.where(high <= np.log(1e-299), 0.0, np.exp(high))
    return smallest[: of_pooled.size], smallest[of_pooled.size :]


def holm(p: Sequence[float]) -> Floats:
    """Return Holm's adjusted p values of one family: the smallest error at which the step-down rejects each hypothesis.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepwise = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1.0)
    adjusted = np.empty_like(values)
    adjusted[order] = stepwise
    return adjusted
