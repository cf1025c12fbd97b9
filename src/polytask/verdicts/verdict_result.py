"""A verdict as plain data, and as the content of verdict.json."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polytask.verdicts import decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polytask.verdicts.decision import Decision

SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class ArmVerdict:
    """One arm on one task.

    Attributes:
        mean: The metric, averaged over seeds.
        difference: From the baseline, in the metric's unit; positive is better.
        relative_percent: The difference in percent of the baseline's metric, for display; None where that says nothing (R2, 0).
        df: Degrees of freedom: near the number of seeds - 1 where seeds rule, near the number of units where units do; of splits
            their number - 1.
        adjusted: Whether interval and word belong to the family that is decided together; the others stand alone.
        decision: Interval, word, p values and what would settle it.
    """

    mean: float
    difference: float
    relative_percent: float | None
    df: float
    adjusted: bool
    decision: Decision

    @property
    def claim(self) -> str:
        """helps, hurts, same or unclear."""
        return self.decision.claim

    def __repr__(self) -> str:
        low, high = self.decision.interval
        return f"{self.claim}, {self.difference:+.4g} [{low:+.4g}, {high:+.4g}]"

    def to_dict(self) -> dict[str, Any]:
        """The entry of verdict.json."""
        own = {"mean": self.mean, "difference": self.difference, "relative_percent": self.relative_percent}
        return own | decision.decision_to_dict(self.decision) | {"df": self.df, "adjusted": self.adjusted}


@dataclass(frozen=True)
class TaskVerdict:
    """All arms on one task.

    Attributes:
        kind: A name of the registry's task kinds.
        metric: A name of `METRICS`.
        higher_is_better: Of the metric.
        margin: What counts as the same, in the metric's unit.
        units: Test units (of a split: their mean, rounded), groups counted once.
        train_units: On how many units a split was trained; None where seeds are no splits.
        single: Mean and standard deviation of the baseline's metric over seeds, or over splits.
        arms: What is said about every other arm.
    """

    kind: str
    metric: str
    higher_is_better: bool
    margin: float
    units: int
    train_units: int | None
    single: tuple[float, float]
    arms: Mapping[str, ArmVerdict]

    def __repr__(self) -> str:
        said = "; ".join(f"{name} {arm}" for name, arm in self.arms.items())
        return f"{self.metric} {self.single[0]:.4g} alone; {said}"

    def to_dict(self) -> dict[str, Any]:
        """The entry of verdict.json."""
        mean, sd = self.single
        head = {"kind": self.kind, "metric": self.metric, "higher_is_better": self.higher_is_better, "margin": self.margin}
        arms = {name: arm.to_dict() for name, arm in self.arms.items()}
        sizes = {"units": self.units, "train_units": self.train_units}
        return head | sizes | {"single": {"mean": mean, "sd": sd}, "arms": arms}


@dataclass(frozen=True)
class ArmSummary:
    """The mean relative change of an arm over all tasks, for display only.

    Attributes:
        delta_m_percent: In percent, positive is better; None where a task has no relative change.
        interval: Of 95 % confidence, not adjusted.
    """

    delta_m_percent: float | None
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """The entry of verdict.json."""
        return {"delta_m_percent": self.delta_m_percent, "ci95": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True)
class Verdict:
    """What a study says, per task and arm.

    Attributes:
        baseline: The arm that the others are compared with.
        chosen: The arm that validation data chose; None where all arms form the family.
        seeds: Names of the seeds.
        level: The familywise share of false alarms at this look.
        looks: Looks at the test data that were planned.
        openings: How often the test data were opened.
        tasks: Per task what is said about the arms.
        arms: Per arm its mean relative change.
        warnings: What a reader should know before believing it.
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

    def __repr__(self) -> str:
        return f"<Verdict on {len(self.tasks)} tasks, {len(self.arms)} arms against {self.baseline}, {len(self.seeds)} seeds>"

    def __str__(self) -> str:
        """A line per task and arm: the word, the difference and its interval."""
        lines = [f"{len(self.arms)} arms against {self.baseline}, {len(self.seeds)} seeds; positive differences are better"]
        for name, task in self.tasks.items():
            lines.append(f"{name}: {task.metric} {task.single[0]:.4g} with {self.baseline}")
            lines += [f"  {arm}: {said}" for arm, said in task.arms.items()]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """The content of verdict.json: numbers with 12 significant digits, and None for what is not finite."""
        plain = {
            "baseline": self.baseline,
            "chosen": self.chosen,
            "seeds": list(self.seeds),
            "level": self.level,
            "looks": self.looks,
            "test_openings": self.openings,
            "tasks": {name: task.to_dict() for name, task in self.tasks.items()},
            "arms": {name: arm.to_dict() for name, arm in self.arms.items()},
            "warnings": list(self.warnings),
        }
        rounded: dict[str, Any] = _rounded(plain)
        return rounded


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
