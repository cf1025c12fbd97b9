"""Schema of verdict.json: the verdict per task and arm, negative transfer, and the recommendation."""

from __future__ import annotations

from pydantic import Field

from polytask.run_files.base import FileSection, Interval, OptionalNumber, RunFile
from polytask.run_files.findings import Finding, ShippedRisk


class PowerRecord(FileSection):
    """How much more data would turn an unclear difference into a clear one, with 80 % power.

    Attributes:
        seeds: Fewest seeds in all that would be needed.
        most_seeds: Most seeds that would be needed; None if no number is certain to be enough.
        rows: Number of test rows that would be needed, if rows cause much of the variance.
        smallest_effect: Smallest difference that this study could have detected, in the metric's unit.
        bound: Largest size of a difference within the interval.
    """

    seeds: int | None = None
    most_seeds: int | None = None
    rows: int | None = None
    smallest_effect: OptionalNumber = None
    bound: OptionalNumber = None


class ArmRecord(FileSection):
    """Verdict about one arm on one task.

    Attributes:
        mean: Mean of the metric over seeds.
        difference: Difference from the baseline, in the metric's unit; positive is better.
        relative_percent: The difference in percent of the baseline.
        ci95: 95 % confidence interval of the difference.
        verdict: The claim: helps, hurts, same or unclear.
        p: p value of the difference.
        p_adjusted: The p value, adjusted for the number of tasks and arms.
        p_same: p value of the test that the difference is within the margin.
        settle: What would settle an unclear difference.
        df: Degrees of freedom.
        standard_error: Standard error of the difference.
        adjusted: Whether the claim holds for all tasks of the chosen arm together.
    """

    mean: OptionalNumber = None
    difference: OptionalNumber = None
    relative_percent: OptionalNumber = None
    ci95: Interval | None = None
    verdict: str = ""
    p: OptionalNumber = None
    p_adjusted: OptionalNumber = None
    p_same: OptionalNumber = None
    settle: PowerRecord | None = None
    df: OptionalNumber = None
    standard_error: OptionalNumber = None
    adjusted: bool = True


class BaselineRecord(FileSection):
    """Metric of the baseline on one task: mean and standard deviation over seeds."""

    mean: OptionalNumber = None
    sd: OptionalNumber = None


class TaskRecord(FileSection):
    """One task: its metric, its baseline, and the verdict about every other arm.

    Attributes:
        kind: Registry name of the kind of task.
        metric: Name of the metric that decides.
        higher_is_better: Direction of the metric.
        margin: Largest difference that counts as the same, in the metric's unit.
        units: Number of test units.
        train_units: Number of training units per split; None where seeds are not splits.
        single: The baseline.
        arms: Verdict per arm.
    """

    kind: str = ""
    metric: str = ""
    higher_is_better: bool = True
    margin: OptionalNumber = None
    units: int | None = None
    train_units: int | None = None
    single: BaselineRecord = BaselineRecord()
    arms: dict[str, ArmRecord] = Field(default_factory=dict)


class PooledRecord(FileSection):
    """Verdict about the mean over tasks of the difference in margins; the fields are those of `ArmRecord`."""

    difference: OptionalNumber = None
    standard_error: OptionalNumber = None
    ci95: Interval | None = None
    verdict: str = ""
    p: OptionalNumber = None
    p_adjusted: OptionalNumber = None
    p_same: OptionalNumber = None
    settle: PowerRecord | None = None
    adjusted: bool = True


class SummaryRecord(FileSection):
    """Mean change of one arm over all tasks: in percent with its 95 % confidence interval, and in margins with its own verdict."""

    delta_m_percent: OptionalNumber = None
    ci95: Interval | None = None
    pooled: PooledRecord | None = None


class SharingRecord(FileSection):
    """What sharing does among the arms of a table that are no networks of one kind, such as trees.

    Attributes:
        baseline: Arm with one model per task.
        tasks: Verdict per task about the arm that shares.
        pooled: Verdict about the mean over tasks; null if a margin is 0.
    """

    baseline: str = ""
    tasks: dict[str, ArmRecord] = Field(default_factory=dict)
    pooled: PooledRecord | None = None


class Recommendation(FileSection):
    """The arm to ship.

    Attributes:
        arm: Its name.
        groups: The tasks of each of its networks.
        level: The advice in two words: together or separately, shown or likely.
        headline: What to do, in at most 12 words.
        risk: What may be lost, from the ends of the 95 % intervals.
        cost: What training together costs or saves.
        next_step: What to do next.
        more_seeds: Fewest further seeds that may settle what is unclear; 0 if there are none.
        utility: Expected utility of training together, in margins, with the saving.
        saving: What the saved networks are worth, in margins.
        tolerate: What one network instead of one per task is worth, as the option `--tolerate` takes it.
        worst: Lower end of the interval of each task, in the unit of its metric.
        reason: Headline and risk.
        of_networks: Whether its models are networks.
        utilities: Expected utility of every arm that can be shipped, in margins, against single-task networks.
    """

    arm: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    level: str = ""
    headline: str = ""
    risk: str = ""
    cost: str = ""
    next_step: str = ""
    more_seeds: int = 0
    utility: OptionalNumber = None
    saving: OptionalNumber = None
    tolerate: str = ""
    worst: dict[str, OptionalNumber] = Field(default_factory=dict)
    reason: str = ""
    of_networks: bool = True
    utilities: dict[str, OptionalNumber] = Field(default_factory=dict)


LEAD_NAME = "lead over single"
"""Name of the leads over single-task networks in history.csv."""


class TaskTransfer(FileSection):
    """Negative transfer of one task in joint training, on validation data.

    Attributes:
        lead: Lead over the single-task network of the same seed at the end of training, in the metric's unit, averaged over seeds;
            positive is better.
        seeds_behind: Number of seeds in which the task was behind.
        behind: Whether the task falls behind: the mean lead is below 0 by a one-sided t test at 5 %, for this task alone.
        opposed_by: Tasks whose gradients of the shared parameters oppose this task's on average, with the mean cosine; lowest first.
    """

    lead: float
    seeds_behind: int
    behind: bool
    opposed_by: dict[str, float]


class VerdictFile(RunFile):
    """Content of verdict.json.

    Attributes:
        study: The data set or the files of the study.
        version: Version of polytask.
        baseline: The arm that the others are compared with.
        chosen: The joint arm that validation data chose.
        seeds: Names of the seeds.
        level: Familywise error that is spent so far.
        looks: Numbers of seeds at the looks of the plan and its continuations.
        continuations: Number of looks that continue the plan.
        test_openings: How often the test data were opened.
        tasks: Verdicts per task.
        arms: Mean relative change per arm.
        sharing: What sharing does among trees and among linear models, by the arm that shares.
        families: Number of families of comparisons that share the error: that of the networks, and those of `sharing`.
        warnings: What limits the verdict.
        titles: Display names of the arms.
        transfer: Negative transfer per arm and task.
        protect: Tasks that must not lose.
        recommendation: The arm to ship.
        shipped: What to expect of one network of that arm, per task.
        findings: What stands out in training and in the predictions; `warnings` has their sentences.
        notes: What was not tuned, and which arms the budget favors.
    """

    study: str = ""
    version: str = ""
    baseline: str = "single"
    chosen: str | None = None
    seeds: tuple[int | str, ...] = ()
    level: OptionalNumber = None
    looks: tuple[int, ...] = ()
    continuations: int = 0
    test_openings: int | None = None
    tasks: dict[str, TaskRecord] = Field(default_factory=dict)
    arms: dict[str, SummaryRecord] = Field(default_factory=dict)
    sharing: dict[str, SharingRecord] = Field(default_factory=dict)
    families: int = 1
    warnings: tuple[str, ...] = ()
    titles: dict[str, str] = Field(default_factory=dict)
    transfer: dict[str, dict[str, TaskTransfer]] = Field(default_factory=dict)
    protect: tuple[str, ...] = ()
    recommendation: Recommendation | None = None
    shipped: dict[str, ShippedRisk] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def resampled(self) -> bool:
        """Whether seeds are splits of a cross-validation."""
        return any(task.train_units is not None for task in self.tasks.values())

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The baseline, then every other arm in the order of the file."""
        others = [arm for task in self.tasks.values() for arm in task.arms]
        return tuple(dict.fromkeys([self.baseline, *others, *self.arms]))
