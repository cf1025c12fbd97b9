"""Scores of all arms on one task, the estimated differences from the baseline, and the mean of the differences over tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polytask.errors import ConfigError
from polytask.metrics.influence_functions import fixed_groups, pool_groups, signed_difference, unit_contributions
from polytask.verdicts.default_margins import default_margin
from polytask.verdicts.estimates.corrected_resampling import corrected_resampled_estimate
from polytask.verdicts.estimates.crossed_anova import crossed_estimate
from polytask.verdicts.spending.repeated_looks import RepeatedEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from polytask.tasks.metric import Metric
    from polytask.verdicts.prediction_frame import PredictionTable, SplitPredictions, TaskPredictions
    from polytask.verdicts.spending.seed_plan import SeedPlan

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


class ComparisonOptions(NamedTuple):
    """Options that tasks share.

    Attributes:
        baseline: Name of the arm that the others are compared with.
        plan: Looks so far.
        groups: (U,) fixed group of every test unit, if a metric needs groups in place of units; otherwise `None`.
        margins: Margins that the user gave, per task.
        train_units: Number of training units per split and task; empty if seeds are not splits.
    """

    baseline: str
    plan: SeedPlan
    groups: Array | None
    margins: Mapping[str, float]
    train_units: Mapping[str, int]


@dataclass(frozen=True)
class TaskComparison:
    """Scores and estimated differences of all arms for one task.

    Attributes:
        predictions: Predictions of all arms.
        metric: Metric that decides.
        margin: Largest difference that counts as the same. It is fixed at the first look, so that later looks cannot change it.
        scores: Metric per arm: (S,) over seeds, or (J,) over splits.
        influences: Influences of the test units on the difference, per arm and split: (S, n).
        studies: Estimated difference per arm.
        baseline: Name of the baseline.
        train_units: Training units per split; `None` without cross-validation.
        ratio: Test units of a split per training unit; `None` without cross-validation.
        rarer: Number of test units of the rarer class, if the metric compares classes.
    """

    predictions: TaskPredictions
    metric: Metric
    margin: float
    scores: Mapping[str, Floats]
    influences: Mapping[str, Sequence[Floats]]
    studies: Mapping[str, RepeatedEstimate]
    baseline: str
    train_units: int | None
    ratio: float | None
    rarer: int | None

    @property
    def base(self) -> float:
        """Metric of the baseline, a mean over seeds."""
        return float(self.scores[self.baseline].mean())

    @property
    def percent(self) -> float | None:
        """One unit of the metric in percent of the baseline's metric; `None` if a relative change is meaningless."""
        return 100 / abs(self.base) if self.metric.relative_change and self.base else None


def compare_task(task: TaskPredictions, metric: Metric, options: ComparisonOptions) -> TaskComparison:
    """Compute the scores and the differences of all arms.

    Raises:
        ConfigError: The margin is negative or not finite.
    """
    margin, train_units = options.margins.get(task.name), options.train_units.get(task.name)
    if margin is not None and not (np.isfinite(margin) and margin >= 0):
        raise ConfigError("a margin must be finite and not negative", where=f"margins[{task.name!r}]", found=margin)
    fixed = [None if options.groups is None else options.groups[split.units] for split in task.splits]
    values = {
        arm: [unit_contributions(metric, split.targets, split.runs[arm], own) for split, own in zip(task.splits, fixed, strict=True)]
        for arm in task.splits[0].runs
    }
    influences = {
        arm: [signed_difference(metric, ours, theirs) for ours, theirs in zip(parts, values[options.baseline], strict=True)]
        for arm, parts in values.items()
        if arm != options.baseline
    }
    ratio = None if train_units is None else sum(len(split.units) for split in task.splits) / len(task.splits) / train_units
    belongs = fixed if metric.influence is None else [split.groups for split in task.splits]
    rarer = _rarer(task.splits[0]) if metric.compares_classes and ratio is None else None
    studies = {
        arm: analyze([grouped(*pair) for pair in zip(parts, belongs, strict=True)], ratio, options.plan, rarer)
        for arm, parts in influences.items()
    }
    scores = {arm: _scores(parts) for arm, parts in values.items()}
    first = float(scores[options.baseline][: options.plan.looks[0]].mean())
    margin = default_margin(metric, first, np.concatenate([split.targets for split in task.splits])) if margin is None else float(margin)
    return TaskComparison(task, metric, margin, scores, influences, studies, options.baseline, train_units, ratio, rarer)


def _rarer(split: SplitPredictions) -> int | None:
    """Return the number of units of the rarer of two classes, with the rows of a group counted as one unit."""
    groups = np.arange(len(split.targets)) if split.groups is None else split.groups
    counts = [len(np.unique(groups[split.targets == label])) for label in np.unique(split.targets)]
    return min(counts) if len(counts) == 2 else None


def _scores(parts: Sequence[Floats]) -> Floats:
    """Return the metric of every seed (S,), or of every split (J,) if there are several."""
    return parts[0].mean(axis=1) if len(parts) == 1 else np.array([part.mean() for part in parts])


def analyze(parts: Sequence[Floats], ratio: float | None, plan: SeedPlan, rarer: int | None = None) -> RepeatedEstimate:
    """Estimate the difference at every look from the influences (S, n) of one test set, or once from those of several splits.

    Seeds of a split are averaged.
    """
    if ratio is not None:
        estimate = corrected_resampled_estimate([part.mean(axis=0) for part in parts], ratio)
        return RepeatedEstimate((estimate,), plan)
    (values,) = parts
    return RepeatedEstimate(tuple(crossed_estimate(values[:seeds], rarer) for seeds in plan.looks), plan)


def grouped(values: Floats, groups: Array | None) -> Floats:
    """Return influences per group instead of per unit."""
    if groups is None:
        return values
    names, codes = np.unique(groups, return_inverse=True)
    return pool_groups(values, codes, len(names))


def mean_over_tasks(
    compared: Sequence[TaskComparison], arm: str, weights: Sequence[float], units: int, options: ComparisonOptions
) -> RepeatedEstimate:
    """Estimate the mean over tasks of weight times difference, treating the weights as known constants.

    The influences of the tasks are scaled and added up unit by unit, which accounts for correlation between tasks (same seed, same row),
    and analyzed like those of one task; for splits, with the largest correction among the tasks.
    """
    totals = [np.zeros((1, 1))] * len(compared[0].predictions.splits)
    for task, weight in zip(compared, weights, strict=True):
        for i, (values, split) in enumerate(zip(task.influences[arm], task.predictions.splits, strict=True)):
            totals[i] = totals[i] + pool_groups(values * (weight / len(compared)), split.units, units)
    totals = [grouped(total, options.groups) for total in totals]
    ratio = max((task.ratio for task in compared if task.ratio is not None), default=None)
    return analyze(totals, ratio, options.plan, min((task.rarer for task in compared if task.rarer is not None), default=None))


def groups_of_units(predictions: PredictionTable) -> Array:
    """Return the (U,) fixed group of every test unit; units that the table groups together stay together."""
    first: Array = np.arange(predictions.units)  # the unit that represents the group of each unit
    membership: Array = np.zeros((predictions.units, len(predictions.tasks)), dtype=np.bool_)
    for number, task in enumerate(predictions.tasks):
        for split in task.splits:
            membership[split.units, number] = True
            if split.groups is not None:
                _, places, codes = np.unique(split.groups, return_index=True, return_inverse=True)
                first[split.units] = np.minimum(first[split.units], split.units[places][codes])
    names, codes = np.unique(first, return_inverse=True)
    together: Array = np.zeros((len(names), membership.shape[1]), dtype=np.bool_)
    np.logical_or.at(together, codes, membership)
    return np.asarray(fixed_groups(together)[codes])
