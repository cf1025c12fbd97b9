"""Schema of relate.json: how related tasks are, and the groups that are proposed."""

from __future__ import annotations

from pydantic import Field, model_validator

from polytask.run_files.base import FileSection, OptionalNumber, RunFile

OptionalMatrix = tuple[tuple[OptionalNumber, ...], ...]


class MeasureRecord(FileSection):
    """One measure between every two tasks, from the task of the row to that of the column.

    Attributes:
        mean: Means over seeds.
        half_width: Half-widths of the 95 % confidence intervals.
        agreement: Mean rank correlation of the matrices of two seeds.
        significant_entries: Number of entries off the diagonal whose interval excludes 0.
    """

    mean: OptionalMatrix = ()
    half_width: OptionalMatrix = ()
    agreement: OptionalNumber = None
    significant_entries: int | None = None


class GroupingRecord(FileSection):
    """The networks that are proposed.

    Attributes:
        by: The measure that the groups are made from.
        at_most: Largest number of networks that was allowed.
        networks: The tasks of each network.
        groups: The tasks that each network predicts.
        total: Sum over the tasks of the loss in the network that predicts each.
        gap: Largest possible distance of the total to the optimum: 0 for a proven optimum.
    """

    by: str = ""
    at_most: int | None = None
    networks: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    total: OptionalNumber = None
    gap: OptionalNumber = None


class RelateFile(RunFile):
    """Content of relate.json.

    Attributes:
        source: The data set or the files.
        version: Version of polytask.
        seeds: Names of the seeds.
        tasks: Names of the tasks, in the order of rows and columns.
        measures: The measures by name.
        measured_steps: Number of training steps at which gradients were measured.
        grouping: The proposed networks.
        notes: What the figures rest on.
    """

    source: str = ""
    version: str | None = None
    seeds: tuple[int | str, ...] = ()
    tasks: tuple[str, ...] = ()
    measures: dict[str, MeasureRecord] = Field(default_factory=dict)
    measured_steps: int | None = None
    grouping: GroupingRecord | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_matrices_are_square(self) -> RelateFile:
        size = len(self.tasks)
        for name, measure in self.measures.items():
            for matrix in (measure.mean, measure.half_width):
                if len(matrix) != size or any(len(row) != size for row in matrix):
                    raise ValueError(f"measures.{name}: a row and a column for each of the {size} tasks are needed")
        return self
