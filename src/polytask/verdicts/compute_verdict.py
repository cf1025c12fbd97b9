"""The verdict as a pure function of predictions, which any program may have made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polytask.errors import ConfigError, DataError
from polytask.metrics.influence_functions import fixed_groups, pool_groups, signed_difference, unit_contributions
from polytask.metrics.metric_functions import find_metric, metric_of
from polytask.options.study_config import MOST_LOOKS
from polytask.tasks.base import Task, name_of
from polytask.tasks.metric import Metric
from polytask.verdicts.corrected_resampling import corrected_resampled_estimate
from polytask.verdicts.crossed_anova import crossed_estimate
from polytask.verdicts.decision import FAMILYWISE_LEVEL, Decision, decide
from polytask.verdicts.prediction_frame import read_predictions
from polytask.verdicts.verdict_result import ArmSummary, ArmVerdict, TaskVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from polytask.verdicts.difference_estimate import DifferenceEstimate
    from polytask.verdicts.prediction_frame import PredictionTable, TaskPredictions

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

RECOMMENDED_SEEDS = 5
MIN_SEEDS = 3


class _TaskOptions(NamedTuple):
    """Options that the user gave per task; tasks without an entry use the defaults."""

    metrics: Mapping[str, str | Metric]
    margins: Mapping[str, float]
    train_units: Mapping[str, int]


@dataclass(frozen=True)
class _TaskComparison:
    """Scores and estimated differences of all arms for one task."""

    predictions: TaskPredictions
    metric: Metric
    margin: float
    scores: Mapping[str, Floats]  # per arm: (S,) over seeds, or (J,) over splits
    influences: Mapping[str, Sequence[Floats]]  # per arm and split: (S, n)
    studies: Mapping[str, DifferenceEstimate]  # per arm
    baseline: str
    train_units: int | None  # per split; None without cross-validation
    ratio: float | None  # test units of a split per training unit; None without cross-validation

    @property
    def base(self) -> float:
        return float(self.scores[self.baseline].mean())

    @property
    def percent(self) -> float | None:
        """One unit of the metric in percent of the baseline's metric; `None` if a relative change is meaningless."""
        return 100 / abs(self.base) if self.metric.relative_change and self.base else None


def verdict(
    frame: pd.DataFrame,
    *,
    baseline: str = "single",
    chosen: str | None = None,
    kinds: Mapping[str, str | type[Task] | Task] | None = None,
    classes: Mapping[str, Sequence[Any]] | None = None,
    metrics: Mapping[str, str | Metric] | None = None,
    margins: Mapping[str, float] | None = None,
    train_units: int | Mapping[str, int] | None = None,
    looks: int = 1,
    test_openings: int = 1,
) -> Verdict:
    """Decide for every arm and task whether the arm helps, hurts, is the same, or whether the difference is unclear.

    The influences D (S, n) of the test units on the metric difference are analyzed per task and arm, with seeds and units as
    crossed random effects (`polytask.verdicts.crossed_anova`). If no formula is known for the influence of a unit, those of 50 fixed
    groups of units are analyzed instead (`polytask.metrics.influence_functions`). The claims of one family together keep a false
    alarm rate of 5 % (`polytask.verdicts.decision`). With `train_units`, seeds are cross-validation splits, whose differences are
    analyzed with the correction of Nadeau & Bengio (`polytask.verdicts.corrected_resampling`).

    Args:
        frame: One row per arm, seed, task and unit: columns arm, seed, task, unit, target, prediction; for `log-loss` and
            `auc` also probability (given to the true label). If there is a column split, only rows with "test" are used.
            Rows with the same value in a column group count as one unit; a column kind gives the kind of the row's task.
        baseline: Name of the arm that the others are compared with.
        chosen: Name of the arm chosen on validation data: its tasks are the family, other arms are shown unadjusted. `None` makes
            all arms and tasks one family.
        kinds: Kind of each task, as a name, an import path or a class, or the task itself; by default inferred as regression
            (fractional targets), binary or multiclass.
        classes: Classes of each task, from the lowest to the highest; required for ordinal tasks that are not given as a task.
        metrics: Metric of each task, by default the first of its kind: accuracy, precision, recall, f1, log-loss, auc (two classes);
            rmse, mae, r2 of regression; entity-f1, entity-precision, entity-recall, token-accuracy of tagging; micro-f1,
            micro-precision, micro-recall, accuracy of multilabel; rank-error, accuracy, quadratic-kappa, log-loss of ordinal;
            poisson-deviance, mae, rmse of count; pinball, coverage-gap of quantile; concordance of survival. Or any
            `polytask.metrics.Metric` that takes the kind's targets and predictions.
        margins: Largest difference that counts as the same, per task, in the metric's unit; by default 1 % of the baseline's metric.
        train_units: Number of units that the networks of a split were trained on, including those used for validation; one number for
            all tasks, or one per task. Required if test units differ between seeds, as in (repeated) k-fold cross-validation or random
            splits; seeds with the same test units form one split. `None` if all seeds have the same test units.
        looks: Number of planned looks at the test data (1 to 3); the level of 5 % is divided equally among them.
        test_openings: Number of times that the test data have been opened, including this one.

    Returns:
        The verdict; `to_dict()` is the content of verdict.json.

    Raises:
        DataError: The predictions are incomplete, duplicated, not finite, or come from one seed only.
        ConfigError: An arm, a task, a kind or a metric does not exist, or a task has no number of training units.

    Example:
        >>> import pandas as pd
        >>> rows = [("single", s, "t", u, u % 2, 0) for s in range(5) for u in range(40)]
        >>> rows += [("equal", s, "t", u, u % 2, u % 2) for s in range(5) for u in range(40)]
        >>> frame = pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "target", "prediction"])
        >>> verdict(frame).tasks["t"].arms["equal"].claim
        'helps'
    """
    predictions = read_predictions(frame, kinds, classes, resampled=train_units is not None)
    arms = _arms(predictions, baseline, chosen)
    options = _TaskOptions(metrics or {}, margins or {}, _train_units(predictions, train_units))
    _reject_unknown_tasks(predictions, options._asdict())
    if not 1 <= looks <= MOST_LOOKS:
        raise ConfigError(f"`looks` must be between 1 and {MOST_LOOKS}", where="looks", found=looks)
    deciding = [_metric(task, options.metrics.get(task.name)) for task in predictions.tasks]
    groups = _groups_of_units(predictions) if any(metric.influence is None for metric in deciding) else None
    compared = [_compare(task, metric, baseline, options, groups) for task, metric in zip(predictions.tasks, deciding, strict=True)]
    family = arms if chosen is None else (chosen,)
    decisions = _decisions(compared, arms, family, FAMILYWISE_LEVEL / looks)
    return Verdict(
        baseline,
        chosen,
        predictions.seeds,
        FAMILYWISE_LEVEL / looks,
        looks,
        test_openings,
        {task.predictions.name: _task_verdict(task, arms, family, decisions) for task in compared},
        {arm: _summary(compared, arm, predictions.units, groups) for arm in arms},
        _warnings(predictions, compared, looks, test_openings),
    )


def _arms(predictions: PredictionTable, baseline: str, chosen: str | None) -> tuple[str, ...]:
    """Return the arms that are compared with the baseline.

    Raises:
        DataError: The baseline has no predictions, or no other arm has any.
        ConfigError: The chosen arm is not compared with the baseline.
    """
    found = ", ".join(predictions.arms)
    if baseline not in predictions.arms:
        raise DataError("the baseline is not among the arms", where=f"baseline {baseline!r}", found=found)
    others = tuple(arm for arm in predictions.arms if arm != baseline)
    if not others:
        raise DataError("there is no arm to compare with the baseline", where="predictions, column 'arm'", found=found)
    if chosen is not None and chosen not in others:
        raise ConfigError("`chosen` must be one of the compared arms", where=f"chosen {chosen!r}", found=", ".join(others))
    return others


def _reject_unknown_tasks(predictions: PredictionTable, options: Mapping[str, Mapping[str, Any]]) -> None:
    names = {task.name for task in predictions.tasks}
    for option, values in options.items():
        for task in sorted(set(values) - names):
            raise ConfigError("there are no predictions for this task", where=f"{option}[{task!r}]", found=", ".join(sorted(names)))


def _train_units(predictions: PredictionTable, given: int | Mapping[str, int] | None) -> Mapping[str, int]:
    """Return the number of training units per split for every task, or nothing if seeds are not splits.

    Raises:
        ConfigError: A task has no number, or one that is not a positive integer.
    """
    if given is None:
        return {}
    names = [task.name for task in predictions.tasks]
    of_tasks = given if isinstance(given, Mapping) else dict.fromkeys(names, given)
    for name in (*names, *of_tasks):
        number: object = of_tasks.get(name)
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < 1:
            what = "the number of training units per split must be a positive integer"
            raise ConfigError(what, where=f"train_units[{name!r}]", found=number, remedy="Give one integer, or one for every task")
    return of_tasks


def _groups_of_units(predictions: PredictionTable) -> Array:
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


def _compare(task: TaskPredictions, metric: Metric, baseline: str, options: _TaskOptions, groups: Array | None) -> _TaskComparison:
    margin, train_units = options.margins.get(task.name), options.train_units.get(task.name)
    if margin is not None and not (np.isfinite(margin) and margin >= 0):
        raise ConfigError("a margin must be finite and not negative", where=f"margins[{task.name!r}]", found=margin)
    fixed = [None if groups is None else groups[split.units] for split in task.splits]
    values = {
        arm: [unit_contributions(metric, split.targets, split.runs[arm], own) for split, own in zip(task.splits, fixed, strict=True)]
        for arm in task.splits[0].runs
    }
    scores = {arm: _scores(parts) for arm, parts in values.items()}
    influences = {
        arm: [signed_difference(metric, ours, theirs) for ours, theirs in zip(parts, values[baseline], strict=True)]
        for arm, parts in values.items()
        if arm != baseline
    }
    ratio = None if train_units is None else sum(len(split.units) for split in task.splits) / len(task.splits) / train_units
    belongs = fixed if metric.influence is None else [split.groups for split in task.splits]
    studies = {arm: _analyze(map(_grouped, parts, belongs), ratio) for arm, parts in influences.items()}
    base = abs(float(scores[baseline].mean()))
    margin = 0.01 * base if margin is None else float(margin)
    return _TaskComparison(task, metric, margin, scores, influences, studies, baseline, train_units, ratio)


def _metric(task: TaskPredictions, given: str | Metric | None) -> Metric:
    """Return the metric that was given, otherwise the default metric of the task.

    Raises:
        ConfigError: The metric does not exist, or does not fit the kind of task.
    """
    if isinstance(given, Metric):
        return given
    kind = task.kind
    if given is None and isinstance(kind, Task):
        return metric_of(kind)
    known = {name_of(metric): metric for metric in (kind.available_metrics if isinstance(kind, Task) else kind.metrics)}
    if given is not None and given not in known:
        found = find_metric(given).name
        raise ConfigError(f"this metric does not fit a {kind.kind} task", where=f"task {task.name}", found=found)
    return find_metric(next(iter(known.values())) if given is None else known[given])


def _scores(parts: Sequence[Floats]) -> Floats:
    """Return the metric of every seed (S,), or of every split (J,) if there are several."""
    return parts[0].mean(axis=1) if len(parts) == 1 else np.array([part.mean() for part in parts])


def _analyze(parts: Iterable[Floats], ratio: float | None) -> DifferenceEstimate:
    """Estimate the difference from the influences (S, n) of one test set, or of one per split; seeds of a split are averaged."""
    return crossed_estimate(*parts) if ratio is None else corrected_resampled_estimate([part.mean(axis=0) for part in parts], ratio)


def _grouped(values: Floats, groups: Array | None) -> Floats:
    if groups is None:
        return values
    names, codes = np.unique(groups, return_inverse=True)
    return pool_groups(values, codes, len(names))


def _decisions(
    compared: Sequence[_TaskComparison], arms: Sequence[str], family: Sequence[str], level: float
) -> dict[tuple[str, str], Decision]:
    """Decide every pair of task and arm: the arms of the family together, every other pair alone."""
    pairs = [(task, arm) for task in compared for arm in arms]
    together = [pair for pair in pairs if pair[1] in family]
    alone = [[pair] for pair in pairs if pair[1] not in family]
    decisions: dict[tuple[str, str], Decision] = {}
    for group in [together, *alone]:
        answers = decide([task.studies[arm] for task, arm in group], [task.margin for task, _ in group], level)
        decisions |= {(task.predictions.name, arm): answer for (task, arm), answer in zip(group, answers, strict=True)}
    return decisions


def _task_verdict(
    task: _TaskComparison, arms: Sequence[str], family: Sequence[str], decisions: Mapping[tuple[str, str], Decision]
) -> TaskVerdict:
    name, base = task.predictions.name, task.scores[task.baseline]
    percent = task.percent
    verdicts = {}
    for arm in arms:
        study = task.studies[arm]
        relative = None if percent is None else study.difference * percent
        mean = float(task.scores[arm].mean())
        verdicts[arm] = ArmVerdict(mean, study.difference, relative, study.df, arm in family, decisions[name, arm])
    units = next(iter(task.studies.values())).units
    single = (float(base.mean()), float(base.std(ddof=1)))
    kind, metric = task.predictions.kind.kind, task.metric
    return TaskVerdict(kind, metric.name, metric.higher_is_better, task.margin, units, task.train_units, single, verdicts)


def _summary(compared: Sequence[_TaskComparison], arm: str, units: int, groups: Array | None) -> ArmSummary:
    """Estimate the mean relative change over tasks in percent, treating the baseline's metric as a known constant.

    The influences of the tasks are scaled to percent, added up unit by unit, which accounts for correlation between tasks (same
    seed, same row), and analyzed like those of one task; for splits, with the largest correction among the tasks.
    """
    if any(task.percent is None for task in compared):
        return ArmSummary(None, None)
    totals = [np.zeros((1, 1))] * len(compared[0].predictions.splits)
    for task in compared:
        percent = (task.percent or 0.0) / len(compared)
        for i, (values, split) in enumerate(zip(task.influences[arm], task.predictions.splits, strict=True)):
            totals[i] = totals[i] + pool_groups(values * percent, split.units, units)
    totals = [_grouped(total, groups) for total in totals]
    study = _analyze(totals, max((task.ratio for task in compared if task.ratio is not None), default=None))
    return ArmSummary(study.difference, study.interval(FAMILYWISE_LEVEL))


def _warnings(predictions: PredictionTable, compared: Sequence[_TaskComparison], looks: int, openings: int) -> tuple[str, ...]:
    splits = len(predictions.tasks[0].splits)
    number, name = (splits, "splits") if splits > 1 else (len(predictions.seeds), "seeds")
    warnings = {
        f"{number} {name} are below the minimum of {MIN_SEEDS}: the result is only preliminary.": number < MIN_SEEDS,
        f"{number} {name} are fewer than the usual {RECOMMENDED_SEEDS}: intervals are wide.": MIN_SEEDS <= number < RECOMMENDED_SEEDS,
        f"The test data were opened {openings} times, but the level is adjusted for {looks} only.": openings > looks,
        "No mean relative change: a relative change is undefined for the metric of a task.": any(task.percent is None for task in compared),
        "Splits divide groups: some units of a group were tested while others may have been trained on.": any(
            map(_cuts_groups, predictions.tasks)
        ),
    }
    return tuple(text for text, applies in warnings.items() if applies)


def _cuts_groups(task: TaskPredictions) -> bool:
    """Return whether a split tests some units of a group but not all."""
    groups = [split.groups for split in task.splits if split.groups is not None]
    if not groups:
        return False
    _, first = np.unique(np.concatenate([split.units for split in task.splits]), return_index=True)
    sizes = np.bincount(np.concatenate(groups)[first])
    return any(((tested > 0) & (tested < sizes)).any() for tested in (np.bincount(own, minlength=len(sizes)) for own in groups))
