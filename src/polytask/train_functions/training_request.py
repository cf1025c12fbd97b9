"""What a training function is called with: tasks, data, seed, budget, and a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytask.data.input_entries import Inputs, join_entries, map_entries
from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest
from polytask.tasks import Task

Array = NDArray[Any]

VALIDATION, TEST = "validation", "test"
PARTS_TO_PREDICT = (VALIDATION, TEST)


@dataclass(frozen=True)
class InputRows:
    """Inputs of rows of one source, without labels.

    Attributes:
        inputs: (N, ...) inputs as the source holds them, not normalized: vectors (N, F), images (N, channels, height, width) as bytes, or
            encoded tables and texts; a dict of such arrays if a row has several inputs. Code 0 of a categorical column
            stands for a missing value.
        units: (N,) identifiers of the rows.
        tasks: Names of the tasks of the request that the source labels.
        columns: Name of the table's column that each of the F inputs comes from; empty for other inputs.
        cardinalities: Number of codes of each of the F inputs of a table, 0 for numbers; empty for other inputs.
    """

    inputs: Inputs
    units: Array
    tasks: tuple[str, ...]
    columns: tuple[str, ...] = ()
    cardinalities: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True)
class LabeledRows(InputRows):
    """Rows of one source with their labels.

    Attributes:
        labels: Per task, the (N,) labels as the source holds them, or (N, L) for tokens; NaN or None where a row has none. `Task.encode`
            turns them into targets of the task's loss.
        targets: Per task, (N,) labels in the encoding of predictions: class codes from 0, with −1 where a row has no label; numbers in
            their unit, with NaN; or texts, with None.
        weights: Per task with weights, the (N,) factors of the rows' losses, with mean 1.
    """

    labels: Mapping[str, Array] = field(default_factory=dict)
    targets: Mapping[str, Array] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)

    def labeled(self, task: str) -> NDArray[np.bool_]:
        """Return an (N,) mask of the rows with a label of a task."""
        targets = self.targets[task]
        if targets.dtype == object:
            return np.array([target is not None for target in targets], dtype=np.bool_)
        return np.asarray(targets >= 0 if targets.dtype.kind == "i" else ~np.isnan(targets))


def ignore_report(epoch: int, **scores: Mapping[str, float]) -> None:
    """Discard a report."""
    del epoch, scores


@dataclass(frozen=True)
class TrainingRequest:
    """One call of a training function: it trains what it likes on the training rows, and returns predictions.

    There are no test labels in it: test rows have inputs only. The function runs in a process of its own, whose working folder is `folder`.

    Attributes:
        tasks: Tasks to learn, with what they learned from the training labels, such as their classes: one task for the arm `single`, all
            tasks for joint arms.
        arm: Name of the arm.
        options: Options of the arm.
        seed: Seed of all random numbers, an integer from 0 to 2³² − 1; all arms have the same seeds.
        training: Training rows per source.
        validation: Validation rows per source, to choose between epochs or settings.
        test: Test rows per source, without labels.
        epochs: Number of epochs that every arm is offered.
        seconds: Seconds after which the call is ended; `None` if there is no limit.
        threads: Number of threads to use.
        folder: Folder for files. A call that was interrupted and is repeated finds its files there.
        report: Function that shows and stores progress: `report(3, validation={"digit": 0.91}, loss={"digit": 0.4})` after epoch 3, with
            values of the tasks' metrics.

    Example:
        >>> from polytask.tasks import Regression
        >>> rows = LabeledRows(np.eye(2), np.arange(2), ("size",), targets={"size": np.array([1.0, np.nan])})
        >>> request = TrainingRequest((Regression(name="size"),), "single", {}, 0, {"toy": rows}, {"toy": rows}, {"toy": rows}, epochs=1)
        >>> request.stacked("size")
        (array([[1., 0.]]), array([1.]))
    """

    tasks: tuple[Task, ...]
    arm: str
    options: Mapping[str, Any]
    seed: int
    training: Mapping[str, LabeledRows]
    validation: Mapping[str, LabeledRows]
    test: Mapping[str, InputRows]
    epochs: int
    seconds: float | None = None
    threads: int = 1
    folder: Path = Path()
    report: Callable[..., None] = ignore_report

    def stacked(self, task: str, part: Literal["training", "validation"] = "training") -> tuple[Inputs, Array]:
        """Return inputs (n, ...) and targets (n,) of all rows with a label of a task, over all sources.

        Args:
            task: Name of the task.
            part: Training or validation rows.

        Raises:
            ConfigError: The request has no such task or part.
        """
        names = tuple(one.name for one in self.tasks)
        if task not in names:
            raise ConfigError("the request has no such task", where="task", found=repr(task), remedy=nearest(str(task), names))
        if part not in ("training", "validation"):
            raise ConfigError("rows with labels are 'training' or 'validation'", where="part", found=repr(part))
        sources = [rows for rows in getattr(self, part).values() if task in rows.targets]
        masks = [rows.labeled(task) for rows in sources]
        inputs = [map_entries(itemgetter(mask), rows.inputs) for rows, mask in zip(sources, masks, strict=True)]
        targets = [rows.targets[task][mask] for rows, mask in zip(sources, masks, strict=True)]
        return join_entries(np.concatenate, inputs), np.concatenate(targets)

    def rows_to_predict(self, part: str) -> Mapping[str, InputRows]:
        """Return the rows per source of a part of the predictions, `validation` or `test`."""
        rows: Mapping[str, InputRows] = self.test if part == TEST else self.validation
        return rows
