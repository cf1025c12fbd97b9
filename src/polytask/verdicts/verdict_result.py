"""Data classes of a verdict, and their conversion to the content of verdict.json."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polytask.run_files import ArmRecord, SummaryRecord, TaskRecord
    from polytask.verdicts.decision import Decision

SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class ArmVerdict:
    """Verdict on one arm for one task.

    Attributes:
        mean: Metric of the arm, averaged over seeds.
        difference: Difference from the baseline, in the metric's unit; positive is better.
        relative_percent: Difference in percent of the baseline's metric, for display; `None` if a relative change is meaningless
            (metrics such as R2, or a baseline of 0).
        df: Degrees of freedom: near the number of seeds - 1 if seeds dominate the variance, near the number of units if units do;
            for cross-validation the number of splits - 1.
        adjusted: Whether interval and claim belong to the family that is decided together; other arms are not adjusted.
        decision: Interval, claim, p values and power analysis.
    """

    mean: float
    difference: float
    relative_percent: float | None
    df: float
    adjusted: bool
    decision: Decision

    @property
    def claim(self) -> str:
        """Claim about the arm: "helps", "hurts", "same" or "unclear"."""
        return self.decision.claim

    def __repr__(self) -> str:
        low, high = self.decision.interval
        return f"{self.claim}, {self.difference:+.4g} [{low:+.4g}, {high:+.4g}]"

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of verdict.json for this arm and task."""
        return self.record().to_dict()

    def record(self) -> ArmRecord:
        """Return the section of verdict.json for this arm and task."""
        from polytask.run_files import ArmRecord, PowerRecord

        own, power = self.decision, self.decision.power
        return ArmRecord(
            mean=self.mean,
            difference=self.difference,
            relative_percent=self.relative_percent,
            ci95=own.interval,
            verdict=own.claim,
            p=own.p,
            p_adjusted=own.p_adjusted,
            p_same=own.p_same,
            settle=power and PowerRecord(seeds=power.seeds, rows=power.rows, smallest_effect=power.smallest_detectable),
            df=self.df,
            adjusted=self.adjusted,
        )


@dataclass(frozen=True)
class TaskVerdict:
    """Verdict on all arms for one task.

    Attributes:
        kind: Registry name of the task kind.
        metric: Name of the metric, as in `METRICS`.
        higher_is_better: Whether higher values of the metric are better.
        margin: Largest difference that counts as the same, in the metric's unit.
        units: Number of test units, each group counted once; for cross-validation the mean over splits, rounded.
        train_units: Number of training units per split; `None` if seeds are not cross-validation splits.
        single: Mean and standard deviation of the baseline's metric over seeds or splits.
        arms: Verdict on every arm other than the baseline, by name.
        titles: Display names of arms, by name; other arms are shown by their names.
    """

    kind: str
    metric: str
    higher_is_better: bool
    margin: float
    units: int
    train_units: int | None
    single: tuple[float, float]
    arms: Mapping[str, ArmVerdict]
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        claims = "; ".join(f"{self.titles.get(name, name)} {arm}" for name, arm in self.arms.items())
        return f"{self.metric} {self.single[0]:.4g} alone; {claims}"

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of verdict.json for this task."""
        return self.record().to_dict()

    def record(self) -> TaskRecord:
        """Return the section of verdict.json for this task."""
        from polytask.run_files import BaselineRecord, TaskRecord

        mean, sd = self.single
        return TaskRecord(
            kind=self.kind,
            metric=self.metric,
            higher_is_better=self.higher_is_better,
            margin=self.margin,
            units=self.units,
            train_units=self.train_units,
            single=BaselineRecord(mean=mean, sd=sd),
            arms={name: arm.record() for name, arm in self.arms.items()},
        )


@dataclass(frozen=True)
class ArmSummary:
    """Mean relative change of an arm over all tasks, for display only.

    Attributes:
        delta_m_percent: Mean relative change in percent, positive is better; `None` if a task has no relative change.
        interval: Interval of 95 % confidence in percent, not adjusted for several arms; `None` if there is no mean.
    """

    delta_m_percent: float | None
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of verdict.json for this arm."""
        return self.record().to_dict()

    def record(self) -> SummaryRecord:
        """Return the section of verdict.json for this arm."""
        from polytask.run_files import SummaryRecord

        return SummaryRecord(delta_m_percent=self.delta_m_percent, ci95=self.interval)


@dataclass(frozen=True)
class Verdict:
    """Verdict of a study for every task and arm.

    Attributes:
        baseline: Name of the arm that the others are compared with.
        chosen: Name of the arm chosen on validation data; `None` if all arms form the family.
        seeds: Names of the seeds.
        level: Familywise rate of false alarms at this look.
        looks: Number of planned looks at the test data.
        openings: Number of times that the test data were opened.
        tasks: Verdict per task.
        arms: Mean relative change per arm.
        warnings: Reasons to be careful with the results.
        titles: Display names of arms, by name; other arms are shown by their names.
    """

    baseline: str
    chosen: str | None
    seeds: tuple[int | str, ...]
    level: float
    looks: int
    openings: int
    tasks: Mapping[str, TaskVerdict]
    arms: Mapping[str, ArmSummary]
    warnings: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)

    def with_titles(self, titles: Mapping[str, str]) -> Verdict:
        """Return the verdict with display names of arms, by name."""
        return replace(self, titles=titles, tasks={name: replace(task, titles=titles) for name, task in self.tasks.items()})

    def __repr__(self) -> str:
        return f"<Verdict on {len(self.tasks)} tasks, {len(self.arms)} arms against {self._title(self.baseline)}, {len(self.seeds)} seeds>"

    def __str__(self) -> str:
        """Return one line per task and arm: claim, difference and interval."""
        baseline = self._title(self.baseline)
        lines = [f"{len(self.arms)} arms against {baseline}, {len(self.seeds)} seeds; positive differences are better"]
        for name, task in self.tasks.items():
            lines.append(f"{name}: {task.metric} {task.single[0]:.4g} with {baseline}")
            lines += [f"  {self._title(arm)}: {claim}" for arm, claim in task.arms.items()]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def _title(self, arm: str) -> str:
        return self.titles.get(arm, arm)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of verdict.json: numbers with 12 significant digits, and `None` for numbers that are not finite."""
        from polytask.run_files import VerdictFile

        file = VerdictFile(
            baseline=self.baseline,
            chosen=self.chosen,
            seeds=self.seeds,
            level=self.level,
            looks=self.looks,
            test_openings=self.openings,
            tasks={name: task.record() for name, task in self.tasks.items()},
            arms={name: arm.record() for name, arm in self.arms.items()},
            warnings=self.warnings,
        )
        rounded: dict[str, Any] = _rounded(file.to_dict())
        return rounded


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
