"""Verdict on one arm for one task, on a task, and on the mean over tasks, and their sections of verdict.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polytask.run_files import ArmRecord, PooledRecord, PowerRecord, SummaryRecord, TaskRecord
    from polytask.verdicts.decision import Decision
    from polytask.verdicts.power import PowerAnalysis


def settle_record(power: PowerAnalysis | None) -> PowerRecord | None:
    """Return what would settle a claim as a section of verdict.json; `None` if the claim is clear."""
    from polytask.run_files import PowerRecord

    if power is None:
        return None
    return PowerRecord(
        seeds=power.seeds, most_seeds=power.most_seeds, rows=power.rows, smallest_effect=power.smallest_detectable, bound=power.bound
    )


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
        standard_error: Standard error of the difference.
        adjusted: Whether interval and claim belong to the family that is decided together; other arms are not adjusted.
        decision: Interval, claim, p values and power analysis.
    """

    mean: float
    difference: float
    relative_percent: float | None
    df: float
    standard_error: float
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
        from polytask.run_files import ArmRecord

        return ArmRecord(
            mean=self.mean,
            difference=self.difference,
            relative_percent=self.relative_percent,
            **_decision_fields(self.decision),
            df=self.df,
            standard_error=self.standard_error,
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
class PooledVerdict:
    """Verdict on the mean over tasks of the difference in margins, which takes the margins as known.

    Attributes:
        difference: Mean over tasks of difference / margin; positive is better.
        standard_error: Standard error of the mean.
        adjusted: Whether the claim belongs to the family that is decided together.
        decision: Interval, claim, p values and power analysis; "same" means within one margin.
    """

    difference: float
    standard_error: float
    adjusted: bool
    decision: Decision

    @property
    def claim(self) -> str:
        """Claim about the mean: "helps", "hurts", "same" or "unclear"."""
        return self.decision.claim

    def __repr__(self) -> str:
        low, high = self.decision.interval
        return f"{self.claim}, {self.difference:+.3g} [{low:+.3g}, {high:+.3g}] margins"

    def record(self) -> PooledRecord:
        """Return the section of verdict.json."""
        from polytask.run_files import PooledRecord

        return PooledRecord(
            difference=self.difference,
            standard_error=self.standard_error,
            **_decision_fields(self.decision),
            adjusted=self.adjusted,
        )


@dataclass(frozen=True)
class ArmSummary:
    """Mean change of an arm over all tasks.

    Attributes:
        delta_m_percent: Mean relative change in percent, positive is better, for display only; `None` if a task has no relative change.
        interval: Interval of 95 % confidence in percent, not adjusted for several arms or looks; `None` if there is no mean.
        pooled: Verdict on the mean in margins; `None` for a single task, or if a margin is 0.
    """

    delta_m_percent: float | None
    interval: tuple[float, float] | None
    pooled: PooledVerdict | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of verdict.json for this arm."""
        return self.record().to_dict()

    def record(self) -> SummaryRecord:
        """Return the section of verdict.json for this arm."""
        from polytask.run_files import SummaryRecord

        return SummaryRecord(delta_m_percent=self.delta_m_percent, ci95=self.interval, pooled=self.pooled and self.pooled.record())


def _decision_fields(decision: Decision) -> dict[str, Any]:
    """Return the fields by which verdict.json records a decision."""
    return {
        "ci95": decision.interval,
        "verdict": decision.claim,
        "p": decision.p,
        "p_adjusted": decision.p_adjusted,
        "p_same": decision.p_same,
        "settle": settle_record(decision.power),
    }
