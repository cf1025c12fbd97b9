"""What stands out in the networks of a study, and how much one network may vary, from recorded facts and test metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from polytask.metrics.formatting import NO_VALUE, display_unit, format_difference, format_metric, half_width, metric_label
from polytask.metrics.metric_functions import metric_of, metric_range
from polytask.run_files import Finding, ShippedRisk, TrialRecord
from polytask.run_files.base import Interval
from polytask.studies.execution.job_training import Job
from polytask.studies.results.result_tables import TRIVIAL
from polytask.studies.spec.arms import SINGLE, ResolvedArm
from polytask.studies.tuning.search_space import LR
from polytask.tasks import Task

OUTLIER_LEVEL = 0.05
"""Share of studies, at most, in which a seed is said to stand apart although all metrics are normal."""
OUTLIER_SEEDS = 5
"""Fewest seeds among which one can stand apart."""

Facts = Mapping[str, Sequence[tuple[Job, Mapping[str, Any]]]]


def run_findings(
    arms: Sequence[ResolvedArm], tasks: Sequence[Task], facts: Facts, results: pd.DataFrame, predictions: pd.DataFrame
) -> list[Finding]:
    """Return what stands out in training and on the test data, arm by arm.

    Args:
        arms: Tested arms.
        tasks: All tasks.
        facts: Networks with their recorded facts, per arm.
        results: Test metrics with the columns arm, seed, task, split, metric, value, also those of the trivial predictor.
        predictions: Test predictions, as in predictions.parquet.
    """
    values = deciding_values(results, tasks)
    tested = sum((arm.name, task.name) in values for arm in arms for task in tasks)
    found: list[Finding] = []
    for arm in arms:
        found += _training_findings(arm, facts[arm.name])
        for task in tasks:
            own = values.get((arm.name, task.name))
            if own is not None:
                found += _outliers(arm, task, own, OUTLIER_LEVEL / max(1, tested))
                found += _no_better_than_trivial(arm, task, own, values.get((TRIVIAL, task.name)))
                found += _identical_seeds(arm, task, predictions)
    return found + [one for task in tasks for one in _better_without_network(arms, task, values)]


def deciding_values(results: pd.DataFrame, tasks: Sequence[Task]) -> dict[tuple[str, str], pd.Series]:
    """Return the deciding metric on the test data, per arm and task, as a series over seeds."""
    deciding = {task.name: metric_of(task).name for task in tasks}
    kept = results[(results["split"] == "test") & (results["metric"] == results["task"].map(deciding))]
    return {(str(arm), str(task)): own.set_index("seed")["value"] for (arm, task), own in kept.groupby(["arm", "task"], sort=False)}


def _training_findings(arm: ResolvedArm, networks: Sequence[tuple[Job, Mapping[str, Any]]]) -> Iterator[Finding]:
    for job, fact in networks:
        if fact.get("diverged"):
            kept = fact["used"]["best_epoch"]
            text = (
                f"Seed {job.seed} of {_named(arm, job)} diverged and counts as its last finite average, of epoch {kept}: {fact['diverged']}"
            )
            yield Finding(kind="diverged", arm=arm.name, tasks=job.tasks, seeds=(job.seed,), text=text)
    for group in dict.fromkeys(job.tasks for job, _ in networks):
        own = [(job, fact) for job, fact in networks if job.tasks == group]
        late = tuple(job.seed for job, fact in own if fact.get("undertrained"))
        if 2 * len(late) > len(own):
            epochs = max(fact["used"]["epochs"] for _, fact in own)
            many = "all seeds" if len(late) == len(own) else f"{len(late)} of {len(own)} seeds"
            text = (
                f"In {many} of {_named(arm, own[0][0])} the best of {epochs} epochs is the last: training longer may change the "
                "comparison, which also rewards learning faster."
            )
            yield Finding(kind="undertrained", arm=arm.name, tasks=group, seeds=late, text=text)


def _named(arm: ResolvedArm, job: Job) -> str:
    return arm.title if len(arm.groups) == 1 else f"{arm.title} ({' + '.join(job.tasks)})"


def _outliers(arm: ResolvedArm, task: Task, values: pd.Series, level: float) -> Iterator[Finding]:
    metric = metric_of(task).name
    apart = stands_apart(values.to_numpy(dtype=np.float64), level)
    for seed in values.index[apart]:
        others = values.drop(seed)
        own, low, high = (format_metric(metric, float(number)) for number in (values[seed], others.min(), others.max()))
        text = (
            f"Seed {seed} of {arm.title} stands apart on {task.name}: {metric_label(metric)} {own}, "
            f"the other {len(others)} seeds {low} to {high}."
        )
        yield Finding(kind="outlier", arm=arm.name, tasks=(task.name,), seeds=(int(seed),), text=text)


def stands_apart(values: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Return which of S values stand apart from the others.

        t_i = (x_i − x̄_{−i}) / (s_{−i} √(1 + 1/(S − 1)))

    is the externally studentized residual, with the mean and the standard deviation of the other values. If all values are independent and
    normal, it follows Student's t with S − 2 degrees of freedom. A value stands apart if its two-sided probability is below `level` / S
    (Bonferroni), so that any of them does so in at most a share `level` of samples. Of fewer than five values, and where all others are
    equal, none stands apart.

    Args:
        values: Values of the seeds, shape (S,).
        level: Probability, at most, that any normal value stands apart.

    Example:
        >>> stands_apart(np.array([0.80, 0.81, 0.30, 0.79, 0.82]), 0.05).tolist()
        [False, False, True, False, False]
    """
    count = len(values)
    if count < OUTLIER_SEEDS:
        return np.zeros(count, dtype=np.bool_)
    others = np.tile(values, (count, 1))[~np.eye(count, dtype=np.bool_)].reshape(count, count - 1)  # row i lacks value i
    spread = others.std(axis=1, ddof=1) * sqrt(1 + 1 / (count - 1))
    varied = np.ptp(others, axis=1) > 0
    residuals = np.divide(values - others.mean(axis=1), spread, out=np.zeros(count), where=varied)
    return np.asarray(2 * stdtr(count - 2, -np.abs(residuals)) < level / count)


def _no_better_than_trivial(arm: ResolvedArm, task: Task, values: pd.Series, trivial: pd.Series | None) -> Iterator[Finding]:
    if trivial is None:
        return
    mean, floor, metric = float(values.mean()), float(trivial.mean()), metric_of(task)
    if metric.sign * mean <= metric.sign * floor:
        text = (
            f"{arm.title} is no better on {task.name} than a predictor that ignores the inputs: {metric.name} {mean:.4g}, "
            f"trivial {floor:.4g}."
        )
        yield Finding(kind="trivial", arm=arm.name, tasks=(task.name,), text=text)


def _better_without_network(arms: Sequence[ResolvedArm], task: Task, values: Mapping[tuple[str, str], pd.Series]) -> Iterator[Finding]:
    """Yield a finding if the best baseline is better in every seed than every arm of networks: then none of them should be shipped."""
    metric = metric_of(task)
    means = {arm.name: float(values[arm.name, task.name].mean()) for arm in arms if (arm.name, task.name) in values}
    ranked = sorted((arm for arm in arms if arm.name in means), key=lambda arm: metric.sign * means[arm.name], reverse=True)
    networks, baselines = [arm for arm in ranked if arm.is_network], [arm for arm in ranked if not arm.is_network]
    if not networks or not baselines:
        return
    best, own = baselines[0], values[baselines[0].name, task.name]
    if all((metric.sign * (own - values[arm.name, task.name]).dropna() > 0).all() for arm in networks):
        of_best, of_networks = (format_metric(metric.name, means[arm.name]) for arm in (best, networks[0]))
        text = (
            f"On {task.name}, {best.title} are better in every seed than all networks: {metric_label(metric.name)} {of_best}, best "
            f"network {of_networks} ({networks[0].title}). This task needs no network to reach that."
        )
        yield Finding(kind="baseline", arm=best.name, tasks=(task.name,), text=text)


def _identical_seeds(arm: ResolvedArm, task: Task, predictions: pd.DataFrame) -> Iterator[Finding]:
    if arm.baseline:  # a deterministic method is allowed to give the same twice
        return
    own = predictions[(predictions["arm"] == arm.name) & (predictions["task"] == task.name)]
    seeds = [one for _, one in own.groupby("seed", sort=True)]
    if len(seeds) > 1 and all(_predict_the_same(seeds[0], other) for other in seeds[1:]):
        text = f"All seeds of {arm.title} predict the same for {task.name}: they count as one, and its intervals are too narrow."
        yield Finding(kind="identical", arm=arm.name, tasks=(task.name,), text=text)


def _predict_the_same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    first, second = (table["probability"].to_numpy(dtype=np.float64) for table in (one, other))
    return np.array_equal(one["prediction"], other["prediction"]) and np.array_equal(first, second, equal_nan=True)


def rate_findings(arms: Sequence[ResolvedArm], tried: Sequence[TrialRecord], chosen: Mapping[Any, Mapping[str, float]]) -> list[Finding]:
    """Return a finding per tuned network whose best learning rate is the lowest or highest that was tried."""
    tested, found = {arm.name: arm for arm in arms}, []
    for (name, tasks), settings in chosen.items():
        rates = [one.settings[LR] for one in tried if one.arm == name and tuple(tasks) in one.tasks and LR in one.settings]
        if name in tested and LR in settings and len(set(rates)) > 1 and settings[LR] in (min(rates), max(rates)):
            end = "lowest" if settings[LR] == min(rates) else "highest"
            text = (
                f"The best learning rate of {tested[name].title} for {' + '.join(tasks)}, {settings[LR]:.2g}, is the {end} that was tried, "
                "also after a further trial beyond it: a wider search may find a better one."
            )
            found.append(Finding(kind="edge", arm=name, tasks=tuple(tasks), text=text))
    return found


def shipped_risk(arm: str, tasks: Sequence[Task], results: pd.DataFrame) -> dict[str, ShippedRisk]:
    """Return what to expect of one network of an arm, per task.

        x̄ ± t_{S−1, .975} s √(1 + 1/S)

    This is the 95 % prediction interval of a further normal value after S of them with mean x̄ and standard deviation s. It is about the
    seed alone: the test rows are the same for all networks. An interval of the mean is narrower by the factor √(S + 1). Values that the
    metric cannot have are cut off.

    Args:
        arm: Name of the arm that is shipped.
        tasks: All tasks.
        results: Test metrics, as for `run_findings`.
    """
    values, found = deciding_values(results, tasks), {}
    for task in tasks:
        own, single = values.get((arm, task.name)), values.get((SINGLE, task.name))
        if own is None or len(own) < 2:
            continue
        low, high = metric_range(metric_of(task))
        ahead = None if single is None or arm == SINGLE else metric_of(task).sign * (own - single).dropna()
        found[task.name] = ShippedRisk(
            mean=float(own.mean()),
            sd=float(own.std()),
            interval=_within(prediction_interval(own), low, high),
            difference_interval=None if ahead is None or len(ahead) < 2 else _within(prediction_interval(ahead), low - high, high - low),
        )
    return found


def prediction_interval(values: pd.Series) -> tuple[float, float]:
    """Return the 95 % prediction interval of a further normal value after these; infinite for a single one."""
    count, mean = len(values), float(values.mean())
    half = float(stdtrit(count - 1, 0.975)) * float(values.std()) * sqrt(1 + 1 / count) if count > 1 else inf
    return mean - half, mean + half


def _within(bounds: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    return min(max(bounds[0], low), high), min(max(bounds[1], low), high)


def risk_sentences(title: str, risk: Mapping[str, ShippedRisk], tasks: Sequence[Task], model: str = "network") -> Iterator[str]:
    """Yield a sentence per task about the one network that is saved, in the units of the table of differences."""
    for task, metric, one in [(task.name, metric_of(task).name, risk[task.name]) for task in tasks if task.name in risk]:
        value = f"{metric_label(metric)} {_value_range(metric, one.interval)}"
        text = f"One {model} of {title}, such as the one that is saved, has {value} on {task}"
        if one.difference_interval is not None:
            text += f", a difference of {_difference_range(metric, one.difference_interval)} from a single-task network of the same seed"
        yield f"{text} (95 % interval for one new seed)."


def _value_range(metric: str, bounds: Interval | None) -> str:
    return _joined(format_metric(metric, bound) for bound in bounds or (None, None))


def _difference_range(metric: str, bounds: Interval) -> str:
    spread = half_width(bounds)
    return _joined(format_difference(metric, bound, spread) for bound in bounds) + display_unit(metric)


def _joined(ends: Iterable[str]) -> str:
    low, high = ends
    return "unknown" if NO_VALUE in (low, high) else f"{low} to {high}"
