"""Influence D(s, r) of test unit r on the metric difference in seed s; its mean over r is the difference.

The influences on a metric that is a mean are its terms. For other metrics each unit gets metric + influence function at r, whose
mean over the units is the metric exactly and whose variance is the metric's to first order (the delta method). For the
area under the curve these are the structural components of DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988). Every metric's
formula is in the metric's module. If no formula is known, 50 fixed groups of units take the place of units (`group_values`), with 49
degrees of freedom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import DataError
from polytask.metrics.metric_functions import find_metric
from polytask.tasks.metric import Metric, Outcome, Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


GROUPS = 50
"""Number of groups that take the place of units for metrics whose influence has no known formula."""


def unit_contributions(metric: str | Metric, targets: Array, runs: Runs, groups: Array | None = None) -> Floats:
    """Compute a value per seed and unit (S, n) whose mean over the units is the metric of that seed.

    If no formula is known for the influence of a unit, all units of a group have the value of the group, and groups must be
    analyzed as units: see `group_values`.

    Args:
        metric: Metric, or its name.
        targets: Class codes or numbers (n,).
        runs: Predictions of one arm.
        groups: Codes of groups (n,), used only for metrics without a formula; `None` means those of `fixed_groups`.

    Raises:
        ConfigError: The metric does not exist.
        DataError: Probabilities are missing, or the targets leave the metric undefined.

    Example:
        >>> from polytask.tasks.metric import Runs
        >>> unit_contributions("accuracy", np.array([0, 1]), Runs(np.array([[0, 0], [0, 1]]))).mean(axis=1).tolist()
        [0.5, 1.0]
    """
    found = find_metric(metric)
    if found.influence is not None:
        return found.influence(targets, runs)
    codes = fixed_groups(np.zeros((len(targets), 1), dtype=np.bool_)) if groups is None else groups
    return np.stack([group_values(found, Outcome(targets, row), codes) for row in runs.predictions])


def group_values(metric: Metric, outcome: Outcome, groups: Array) -> Floats:
    """Compute for every unit (n,) the value of its group, by the delete-a-group jackknife.

    With n_g of n units in group g, the metric M of all units and the metric M_g of all units outside the group,

        v_g = M + (n / n_g − 1) (M − M_g) + c,

    with c such that the mean of the values over units is M exactly. For a metric that is a mean, v_g is the mean of group g, and c is 0;
    for other metrics v_g is the mean influence of the group's units to first order. Leaving out a fiftieth of the units instead of a
    single one keeps this true for metrics that are not smooth, such as medians (Shao & Wu, Annals of Statistics 17:1176, 1989).

    Args:
        metric: Metric; its function is evaluated on all units and without each group.
        outcome: Targets and predictions of n units.
        groups: Codes of at least two groups (n,).

    Raises:
        DataError: The metric is not finite on all units or without a group.

    Example:
        >>> from polytask.metrics import Outcome, find_metric
        >>> group_values(find_metric("accuracy"), Outcome(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])), np.array([0, 0, 1, 1])).tolist()
        [1.0, 1.0, 0.5, 0.5]
    """
    names, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    kept = [places != place for place in range(len(names))]
    whole = metric.function(outcome)
    rest = np.array([metric.function(Outcome(outcome.targets[rows], outcome.predictions[rows])) for rows in kept])
    if not (np.isfinite(whole) and np.isfinite(rest).all()):
        what, remedy = (
            "the metric must be finite on all test units and without any group of them",
            "Choose another metric, or give more test units",
        )
        raise DataError(what, where=metric.name, found=whole, remedy=remedy)
    values = whole + (len(places) / sizes - 1) * (whole - rest)
    values += whole - values @ sizes / len(places)
    return np.asarray(values[places], dtype=np.float64)


def fixed_groups(membership: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Assign each of U units to a group, pseudo-randomly but reproducibly: the groups depend only on `membership`.

    Args:
        membership: Mask (U, K), True where a unit belongs to a set, such as a task's test units; every set is spread evenly over
            the groups.

    Returns:
        Codes of groups (U,), from 0 to 49, or to U − 1 if there are fewer units.

    Example:
        >>> int(np.bincount(fixed_groups(np.ones((120, 1), dtype=bool))).max())
        3
    """
    units = len(membership)
    patterns = np.unique(membership, axis=0, return_inverse=True)[1].reshape(units)
    order = np.lexsort((np.random.default_rng(0).permutation(units), patterns))
    groups = np.empty(units, dtype=np.int64)
    groups[order] = np.arange(units) % min(GROUPS, max(units, 1))
    return groups


def influence_differences(metric: str | Metric, targets: Array, arm: Runs, baseline: Runs, groups: Array | None = None) -> Floats:
    """Compute the influence D (S, n) of every unit on the difference between the arm and the baseline; positive favors the arm.

    Args:
        metric: Metric, or its name.
        targets: Class codes or numbers (n,).
        arm: Predictions of the arm.
        baseline: Predictions of the baseline, for the same seeds.
        groups: Codes of groups (n,), used only for metrics without a formula; `None` means those of `fixed_groups`.

    Example:
        >>> from polytask.tasks.metric import Runs
        >>> targets, arm, baseline = np.array([1.0, 2.0]), Runs(np.array([[1.0, 3.0]])), Runs(np.array([[3.0, 3.0]]))
        >>> influence_differences("mae", targets, arm, baseline).tolist()
        [[2.0, 0.0]]
    """
    ours, theirs = (unit_contributions(metric, targets, runs, groups) for runs in (arm, baseline))
    return signed_difference(metric, ours, theirs)


def signed_difference(metric: str | Metric, arm: Floats, baseline: Floats) -> Floats:
    """Return the arm's values minus the baseline's, with the sign by which positive is better."""
    # Adding 0 turns -0 into 0, so that files hold no negative zeros.
    return find_metric(metric).sign * (arm - baseline) + 0.0


def pool_groups(values: Floats, codes: Array, units: int) -> Floats:
    """Pool values (S, n) of rows to values (S, units) of the units that they belong to, keeping the mean of every seed.

    Unit g gets the mean of its seed + (units / n) * the sum over its rows of (value − that mean). For example, all rows of one
    customer become one unit; a unit without rows gets the mean of its seed.

    Args:
        values: Values (S, n) per seed and row.
        codes: Unit of each row (n,), from 0 to `units` − 1.
        units: Number of units.

    Example:
        >>> pool_groups(np.array([[1.0, 2.0, 6.0]]), np.array([0, 0, 1]), 2).tolist()
        [[1.0, 5.0]]
    """
    mean = values.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(codes, weights=row, minlength=units) for row in values - mean])
    return np.asarray(mean + units / values.shape[1] * sums)
