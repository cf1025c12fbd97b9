"""Schema of curve.json: the verdict at every share of the labels, and how many labels joint training needs."""

from __future__ import annotations

from pydantic import Field

from polytask.run_files.base import FileSection, Interval, OptionalNumber, RunFile
from polytask.run_files.verdict_file import ArmRecord, PooledRecord


class CurvePointRecord(FileSection):
    """One task at one share of the labels.

    Attributes:
        share: Share of the labels.
        labels: Number of labels of the task in the training part of the first seed.
        margin: Largest difference that counts as the same, in the metric's unit.
        single: Mean of the metric of single-task training over seeds.
        arms: Verdict per joint arm; all points and tasks are one family.
    """

    share: float = 1.0
    labels: int = 0
    margin: OptionalNumber = None
    single: OptionalNumber = None
    arms: dict[str, ArmRecord] = Field(default_factory=dict)


class LabelRatioRecord(FileSection):
    """Labels that an arm needs per label of single-task training, for the same error.

    Attributes:
        ratio: Estimate; below 1 the arm needs fewer labels.
        ci95: 95 % confidence interval over seeds; None if more labels do not lower the error beyond doubt.
        slope: Mean slope of the logarithm of the error over that of the number of labels.
    """

    ratio: OptionalNumber = None
    ci95: Interval | None = None
    slope: OptionalNumber = None


class CurveTask(FileSection):
    """Learning curve of one task.

    Attributes:
        kind: Registry name of the kind of task.
        metric: Name of the metric that decides.
        higher_is_better: Direction of the metric.
        points: One entry per share, from the smallest.
        label_ratio: Per joint arm, the labels that it needs; empty if the labels of the task do not vary or its errors have no logarithm.
    """

    kind: str = ""
    metric: str = ""
    higher_is_better: bool = True
    points: tuple[CurvePointRecord, ...] = ()
    label_ratio: dict[str, LabelRatioRecord] = Field(default_factory=dict)


class CurveFile(RunFile):
    """Content of curve.json.

    Attributes:
        source: The data set or the files.
        version: Version of polytask.
        seeds: Names of the seeds.
        shares: Shares of the labels.
        labels_of: Tasks of which labels are left out; empty for all tasks.
        baseline: Name of the arm that the others are compared with.
        titles: Display names of arms.
        tasks: Learning curve per task.
        pooled: Per joint arm, the mean over tasks and shares of the difference in margins.
        warnings: Reasons to be careful.
        notes: What the figures rest on.
    """

    source: str = ""
    version: str | None = None
    seeds: tuple[int | str, ...] = ()
    shares: tuple[float, ...] = ()
    labels_of: tuple[str, ...] = ()
    baseline: str = ""
    titles: dict[str, str] = Field(default_factory=dict)
    tasks: dict[str, CurveTask] = Field(default_factory=dict)
    pooled: dict[str, PooledRecord] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
