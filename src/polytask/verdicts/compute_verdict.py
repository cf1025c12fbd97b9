"""The verdict as a pure function of predictions, which any program may have made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from polytask.errors import ConfigError, DataError
from polytask.metrics.metric_functions import find_metric, metric_of
from polytask.registry.suggestion import nearest
from polytask.tasks.base import Task, name_of
from polytask.tasks.metric import Metric
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.arm_verdict import ArmSummary, ArmVerdict, PooledVerdict, TaskVerdict
from polytask.verdicts.decision import Decision, Hypothesis, decide
from polytask.verdicts.estimates.task_comparison import ComparisonOptions, TaskComparison, compare_task, groups_of_units, mean_over_tasks
from polytask.verdicts.prediction_frame import read_predictions
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL
from polytask.verdicts.spending.seed_plan import SeedPlan
from polytask.verdicts.verdict_warnings import verdict_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from polytask.verdicts.prediction_frame import PredictionTable, TaskPredictions
    from polytask.verdicts.spending.repeated_looks import RepeatedEstimate

Decisions = Mapping[tuple[str, str], Decision]
"""Decision per name of a task and of an arm; the name of the mean over tasks is empty."""
POOLED = ""


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
    looks: Sequence[int] | SeedPlan | None = None,
    test_openings: int = 1,
) -> Verdict:
    """Decide for every arm and task whether the arm helps, hurts, is the same, or whether the difference is unclear.

    The influences D (S, n) of the test units on the metric difference are analyzed per task and arm, with seeds and units as
    crossed random effects (`polytask.verdicts.estimates.crossed_anova`). If no formula is known for the influence of a unit, those of 50
    fixed groups of units are analyzed instead (`polytask.metrics.influence_functions`). All claims together, about the tasks and about
    their mean in margins, keep a false alarm rate of 5 %, with all looks and continuations (`polytask.verdicts.decision`). With
    `train_units`, seeds are cross-validation splits, whose differences are analyzed with the correction of Nadeau & Bengio
    (`polytask.verdicts.estimates.corrected_resampling`).

    Args:
        frame: One row per arm, seed, task and unit: columns arm, seed, task, unit, target, prediction; for `log-loss` and
            `auc` also probability (given to the true label). If there is a column split, only rows with "test" are used.
            Rows with the same value in a column group count as one unit; a column kind gives the kind of the row's task.
        baseline: Name of the arm that the others are compared with.
        chosen: Name of the arm chosen on validation data: its tasks are the family, other arms are shown unadjusted. `None` makes
            all arms and tasks one family.
        kinds: Kind of each task, as a name, an import path or a class, or the task itself; by default inferred as regression
            (fractional targets), binary or multiclass; whole numbers that may be values need it.
        classes: Classes of each task, from the lowest to the highest; required for ordinal tasks that are not given as a task.
        metrics: Metric of each task, by default the first of its kind: accuracy, precision, recall, f1, log-loss, auc (two classes);
            rmse, mae, r2 of regression; entity-f1, entity-precision, entity-recall, token-accuracy of tagging; micro-f1,
            micro-precision, micro-recall, accuracy of multilabel; rank-error, accuracy, quadratic-kappa, log-loss of ordinal;
            poisson-deviance, mae, rmse of count; pinball, coverage-gap of quantile; concordance of survival; mean-r2, mean-mae,
            mean-rmse of vector. Or any `polytask.metrics.Metric` that takes the kind's targets and predictions.
        margins: Largest difference that counts as the same, per task, in the metric's unit; by default 1 % of the baseline's metric,
            with exceptions for shares and log-loss (`polytask.verdicts.default_margins`).
        train_units: Number of units that the networks of a split were trained on, including those used for validation; one number for
            all tasks, or one per task. Required if test units differ between seeds, as in (repeated) k-fold cross-validation or random
            splits; seeds with the same test units form one split. `None` if all seeds have the same test units.
        looks: Numbers of seeds at which the test data are looked at, of which the seeds of the frame are the first ones in order; or a
            `SeedPlan`, which may have continuations. By default one look, with all seeds. The error is spent in proportion to seeds,
            and 10 % of it is kept for continuations, except with splits, which are looked at once and cannot be continued
            (`SeedPlan.final`).
        test_openings: Number of times that the test data have been opened, including this one.

    Returns:
        The verdict; `to_dict()` is the content of verdict.json.

    Raises:
        DataError: The predictions are incomplete, duplicated, not finite, or come from one seed only.
        ConfigError: An arm, a task, a kind or a metric does not exist, a task has no number of training units, or no look has the number
            of seeds of the frame.

    Example:
        >>> import pandas as pd
        >>> rows = [("single", s, "t", u, u % 2, 0) for s in range(5) for u in range(40)]
        >>> rows += [("equal", s, "t", u, u % 2, u % 2) for s in range(5) for u in range(40)]
        >>> frame = pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "target", "prediction"])
        >>> verdict(frame).tasks["t"].arms["equal"].claim
        'helps'
    """
    return verdict_of_table(
        read_predictions(frame, kinds, classes, resampled=train_units is not None),
        baseline=baseline,
        chosen=chosen,
        metrics=metrics,
        margins=margins,
        train_units=train_units,
        looks=looks,
        test_openings=test_openings,
    )


def verdict_of_table(
    predictions: PredictionTable,
    *,
    baseline: str = "single",
    chosen: str | None = None,
    metrics: Mapping[str, str | Metric] | None = None,
    margins: Mapping[str, float] | None = None,
    train_units: int | Mapping[str, int] | None = None,
    looks: Sequence[int] | SeedPlan | None = None,
    test_openings: int = 1,
) -> Verdict:
    """Decide as `verdict` does, about predictions that have been read and checked; the arguments are the same."""
    arms = _arms(predictions, baseline, chosen)
    given, of_splits = metrics or {}, _train_units(predictions, train_units)
    _reject_unknown_tasks(predictions, {"metrics": given, "margins": margins or {}, "train_units": of_splits})
    plan = _plan(predictions, looks, resampled=train_units is not None)
    so_far = plan.until(_repetitions(predictions))
    deciding = [_metric(task, given.get(task.name)) for task in predictions.tasks]
    groups = groups_of_units(predictions) if any(metric.influence is None for metric in deciding) else None
    options = ComparisonOptions(baseline, so_far, groups, margins or {}, of_splits)
    compared = [compare_task(task, metric, options) for task, metric in zip(predictions.tasks, deciding, strict=True)]
    pooled = {arm: _pooled(compared, arm, predictions.units, options) for arm in arms}
    family = arms if chosen is None else (chosen,)
    decisions = _decisions(compared, pooled, family, plan.familywise)
    return Verdict(
        baseline,
        chosen,
        predictions.seeds,
        plan,
        test_openings,
        {task.predictions.name: _task_verdict(task, arms, family, decisions) for task in compared},
        {arm: _summary(compared, arm, predictions.units, options, _pooled_verdict(pooled[arm], arm, family, decisions)) for arm in arms},
        verdict_warnings(predictions, compared, len(so_far.looks), test_openings),
    )


def _repetitions(predictions: PredictionTable) -> int:
    """Return the number of seeds, or of splits if seeds are splits."""
    splits = len(predictions.tasks[0].splits)
    return splits if splits > 1 else len(predictions.seeds)


def _plan(predictions: PredictionTable, looks: Sequence[int] | SeedPlan | None, *, resampled: bool) -> SeedPlan:
    """Return the plan of the looks, by default a single one.

    Raises:
        ConfigError: Looks are not increasing, or cross-validation splits are looked at more than once.
        DataError: There is a single seed or split.
    """
    number = _repetitions(predictions)
    if resampled and isinstance(looks, SeedPlan) and replace(looks, families=1) == SeedPlan.final(number):
        return looks
    if resampled and looks is not None:
        remedy = "Fix the number of splits beforehand, and leave out looks"
        raise ConfigError("splits of cross-validation can be looked at once", where="looks", found=looks, remedy=remedy)
    if number < 2:
        what, remedy = ("splits", "Train on more splits") if resampled else ("seeds", "Train more seeds")
        raise DataError(f"a verdict needs at least 2 {what}, better 5 or more", where="seeds", found=number, remedy=remedy)
    return SeedPlan.final(number) if resampled else SeedPlan.of((number,) if looks is None else looks)


def _arms(predictions: PredictionTable, baseline: str, chosen: str | None) -> tuple[str, ...]:
    """Return the arms that are compared with the baseline.

    Raises:
        DataError: The baseline has no predictions, or no other arm has any.
        ConfigError: The chosen arm is not compared with the baseline.
    """
    found = ", ".join(predictions.arms)
    if baseline not in predictions.arms:
        remedy = f"Give the baseline. {nearest(baseline, predictions.arms)}"
        raise DataError("the baseline is not among the arms", where=f"baseline {baseline!r}", found=found, remedy=remedy)
    others = tuple(arm for arm in predictions.arms if arm != baseline)
    if not others:
        remedy = "Add the predictions of a joint arm"
        raise DataError("there is no arm to compare with the baseline", where="predictions, column 'arm'", found=found, remedy=remedy)
    if chosen is not None and chosen not in others:
        raise ConfigError("`chosen` must be one of the compared arms", where=f"chosen {chosen!r}", remedy=nearest(chosen, others))
    return others


def _reject_unknown_tasks(predictions: PredictionTable, options: Mapping[str, Mapping[str, Any]]) -> None:
    names = {task.name for task in predictions.tasks}
    for option, values in options.items():
        for task in sorted(set(values) - names):
            raise ConfigError(
                "there are no predictions for this task", where=f"{option}[{task!r}]", remedy=nearest(task, tuple(sorted(names)))
            )


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
        remedy = f"Choose from: {', '.join(known)}"
        raise ConfigError(f"this metric does not fit a {kind.kind} task", where=f"task {task.name}", found=found, remedy=remedy)
    return find_metric(next(iter(known.values())) if given is None else known[given])


def _pooled(compared: Sequence[TaskComparison], arm: str, units: int, options: ComparisonOptions) -> RepeatedEstimate | None:
    """Return the mean over tasks of difference / margin; `None` for a single task, or if a margin is 0."""
    if len(compared) < 2 or any(task.margin == 0 for task in compared):
        return None
    return mean_over_tasks(compared, arm, [1 / task.margin for task in compared], units, options)


def _decisions(
    compared: Sequence[TaskComparison], pooled: Mapping[str, RepeatedEstimate | None], family: Sequence[str], level: float
) -> Decisions:
    """Decide all pairs of task and arm, and the means over tasks: the arms of the family together, every other one alone."""
    decisions: dict[tuple[str, str], Decision] = {}
    for arms in [tuple(family), *((arm,) for arm in pooled if arm not in family)]:
        means = [(POOLED, arm, study) for arm in arms if (study := pooled[arm]) is not None]
        tasks = [(task, arm) for task in compared for arm in arms]
        alone = arms[0] not in family  # an arm outside the family is shown unadjusted: each difference by itself
        pairs = [((name, arm), Hypothesis(study, 1.0)) for name, arm, study in means]
        others = [((task.predictions.name, arm), Hypothesis(task.studies[arm], task.margin)) for task, arm in tasks]
        for own in [(pairs, others)] if not alone else [*(([pair], []) for pair in pairs), *(([], [other]) for other in others)]:
            found = decide([one for _, one in own[0]], [one for _, one in own[1]], FAMILYWISE_LEVEL if alone else level)
            decisions |= {
                key: answer for part, answers in zip(own, found, strict=True) for (key, _), answer in zip(part, answers, strict=True)
            }
    return decisions


def _pooled_verdict(study: RepeatedEstimate | None, arm: str, family: Sequence[str], decisions: Decisions) -> PooledVerdict | None:
    return None if study is None else PooledVerdict(study.difference, study.variance**0.5, arm in family, decisions[POOLED, arm])


def _task_verdict(task: TaskComparison, arms: Sequence[str], family: Sequence[str], decisions: Decisions) -> TaskVerdict:
    name, base = task.predictions.name, task.scores[task.baseline]
    percent = task.percent
    verdicts = {}
    for arm in arms:
        study = task.studies[arm]
        relative = None if percent is None else study.difference * percent
        mean = float(task.scores[arm].mean())
        verdicts[arm] = ArmVerdict(mean, study.difference, relative, study.df, study.variance**0.5, arm in family, decisions[name, arm])
    units = next(iter(task.studies.values())).units
    single = (float(base.mean()), float(base.std(ddof=1)))
    kind, metric = task.predictions.kind.kind, task.metric
    return TaskVerdict(kind, metric.name, metric.higher_is_better, task.margin, units, task.train_units, single, verdicts)


def _summary(
    compared: Sequence[TaskComparison], arm: str, units: int, options: ComparisonOptions, pooled: PooledVerdict | None
) -> ArmSummary:
    """Return the mean over tasks: in margins, and for display in percent of the baseline's metrics."""
    percents = [task.percent for task in compared]
    if any(percent is None for percent in percents):
        return ArmSummary(None, None, pooled)
    study = mean_over_tasks(compared, arm, [percent or 0.0 for percent in percents], units, options).last
    return ArmSummary(study.difference, study.interval(FAMILYWISE_LEVEL), pooled)
