"""Content of a verdict, and its conversion to verdict.json."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from polytask.metrics.formatting import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polytask.run_files import VerdictFile
    from polytask.verdicts.arm_verdict import ArmSummary, TaskVerdict
    from polytask.verdicts.decision import Decision
    from polytask.verdicts.spending.seed_plan import SeedPlan

SIGNIFICANT_DIGITS = 12
MEAN_OVER_TASKS = "the mean over tasks"
"""Name of the claim about the mean over tasks."""


@dataclass(frozen=True)
class VerdictData:
    """Content of a verdict for every task and arm.

    Attributes:
        baseline: Name of the arm that the others are compared with.
        chosen: Name of the arm chosen on validation data; `None` if all arms form the family.
        seeds: Names of the seeds.
        plan: Planned looks at the test data and the error spent at them.
        openings: Number of times that the test data were opened.
        tasks: Verdict per task.
        arms: Mean change per arm, with its own verdict.
        warnings: Reasons to be careful with the results.
        titles: Display names of arms, by name; other arms are shown by their names.
    """

    baseline: str
    chosen: str | None
    seeds: tuple[int | str, ...]
    plan: SeedPlan
    openings: int
    tasks: Mapping[str, TaskVerdict]
    arms: Mapping[str, ArmSummary]
    warnings: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)

    def with_titles(self, titles: Mapping[str, str]) -> Self:
        """Return the verdict with display names of arms, by name."""
        return replace(self, titles=titles, tasks={name: replace(task, titles=titles) for name, task in self.tasks.items()})

    def __repr__(self) -> str:
        tasks, arms = number_of(len(self.tasks), "task"), number_of(len(self.arms), "arm")
        return f"<Verdict on {tasks}, {arms} against {self.title(self.baseline)}, {number_of(len(self.seeds), 'seed')}>"

    def title(self, arm: str) -> str:
        """Return the display name of an arm."""
        return self.titles.get(arm, arm)

    def unclear(self, arm: str) -> dict[str, Decision]:
        """Return the unclear claims about an arm, of the mean over tasks and of each task, by name: more seeds may settle them."""
        pooled = self.arms[arm].pooled
        claims = {} if pooled is None else {MEAN_OVER_TASKS: pooled.decision}
        claims |= {name: task.arms[arm].decision for name, task in self.tasks.items()}
        return {name: decision for name, decision in claims.items() if decision.claim == "unclear"}

    @property
    def resampled(self) -> bool:
        """Whether seeds are splits of a cross-validation."""
        return any(task.train_units is not None for task in self.tasks.values())

    @property
    def level(self) -> float:
        """Familywise error that is spent so far."""
        looked = [share for look, share in zip(self.plan.looks, self.plan.spent, strict=True) if look <= len(self.seeds)]
        return self.plan.familywise * (looked or self.plan.spent[:1])[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of verdict.json: numbers with 12 significant digits, and `None` for numbers that are not finite."""
        rounded: dict[str, Any] = _rounded(self.record().to_dict())
        return rounded

    def record(self) -> VerdictFile:
        """Return the content of verdict.json as typed sections."""
        from polytask.run_files import VerdictFile

        return VerdictFile(
            baseline=self.baseline,
            chosen=self.chosen,
            seeds=self.seeds,
            level=self.level,
            looks=self.plan.looks,
            continuations=self.plan.continuations,
            **({"families": self.plan.families} if self.plan.families > 1 else {}),
            test_openings=self.openings,
            tasks={name: task.record() for name, task in self.tasks.items()},
            arms={name: arm.record() for name, arm in self.arms.items()},
            warnings=self.warnings,
        )


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
