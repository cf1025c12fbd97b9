"""Options of `polytask verdict`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from polytask.options.base import OptionModel
from polytask.options.cli_option import FILE_ONLY, Flag
from polytask.options.values.limits import MOST_PARTS, MOST_ROWS, SeedCount
from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE, ToleranceOption

_COMPARISON, _TASKS, _ADVICE, _READING = "Comparison", "Tasks", "Advice", "Reading"
KIND_OPTION = "kind"
"""Name of the option with the kinds of tasks, whose values may hold equals signs."""


class VerdictConfig(OptionModel):
    """Options of a verdict on the predictions of any program.

    Example:
        >>> VerdictConfig(chosen="equal", looks=(5, 8)).baseline
        'single'
    """

    baseline: Annotated[str, Field(description="Arm that the others are compared with."), Flag(_COMPARISON)] = "single"
    chosen: Annotated[
        str | None,
        Field(
            description="Arm that validation data chose: the advice is about it, and its claims hold for all tasks together. Other arms "
            "are shown unadjusted."
        ),
        Flag(_COMPARISON, example="equal", default="the only arm besides the baseline; of several arms none"),
    ] = None
    looks: Annotated[
        tuple[SeedCount, ...],
        Field(description="Numbers of seeds at which the test data are looked at; those of the file are the first ones in order."),
        Flag(_COMPARISON, separator=",", example="5,8,12", default="one look, with all seeds"),
    ] = ()
    continued: Annotated[
        tuple[SeedCount, ...],
        Field(description="Numbers of seeds after each continuation of a finished plan of looks."),
        Flag(_COMPARISON, separator=",", example="20", default="none"),
    ] = ()
    families: Annotated[
        int,
        Field(ge=1, le=MOST_PARTS, description="Number of families of comparisons that share the error, of which this is one."),
        FILE_ONLY,
    ] = 1
    trivial: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="Arms that are no better than a predictor that ignores the inputs, with the tasks: no claim says same of them."),
        FILE_ONLY,
    ] = Field(default_factory=dict)
    train_units: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_ROWS,
            description="Number of units that the models of a split were trained on, validation included, if seeds are the splits of a "
            "cross-validation.",
        ),
        Flag(_COMPARISON, example="180", default="all seeds have the same test units"),
    ] = None
    task_train_units: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=MOST_ROWS)]],
        Field(description="The same per task, for tasks that differ in the number of their labels."),
        FILE_ONLY,
    ] = Field(default_factory=dict)
    test_openings: Annotated[
        int,
        Field(ge=1, le=MOST_ROWS, description="Number of times that the test data have been opened, including this one."),
        Flag(_COMPARISON),
    ] = 1
    kinds: Annotated[
        dict[str, str],
        Field(description="Kind of a task, as task=kind, with options in parentheses; see polytask methods task-kind. Repeatable."),
        Flag(
            _TASKS,
            name=KIND_OPTION,
            example='"size=ordinal(classes=[S, M, L])"',
            default="the column kind, else inferred as regression (targets with fractions), binary or multiclass",
        ),
    ] = Field(default_factory=dict)
    metrics: Annotated[
        dict[str, str],
        Field(description="Metric that decides, as task=metric."),
        Flag(_TASKS, example="churn=auc", default="the first metric of the kind"),
    ] = Field(default_factory=dict)
    margins: Annotated[
        dict[str, float],
        Field(description="Largest difference that still counts as the same, per task, in the unit of its metric."),
        Flag(_TASKS, example="price=0.5", default="1 % of the baseline's metric, less for shares near 1"),
    ] = Field(default_factory=dict)
    protect: Annotated[
        tuple[str, ...], Field(description="Tasks that must not lose more than is tolerated."), Flag(_ADVICE, default="none")
    ] = ()
    tolerate: Annotated[
        ToleranceOption,
        Field(
            description="What one model instead of one per task is worth, per task: a number of margins, or a percentage of the baseline's "
            "metric. Protected tasks may lose that much."
        ),
        Flag(_ADVICE, example="1%", default="half a margin"),
    ] = DEFAULT_TOLERANCE
    networks: Annotated[
        int,
        Field(
            ge=1, le=MOST_PARTS, description="Number of joint models; if they are not cheaper than one per task, give the number of tasks."
        ),
        Flag(_ADVICE),
    ] = 1
    delimiter: Annotated[
        str | None,
        Field(description="Character that separates the cells of a text file."),
        Flag(_READING, default="a tab in .tsv files, else a comma"),
    ] = None
    encoding: Annotated[str, Field(description="Encoding of a text file."), Flag(_READING)] = "utf-8"
    version: Annotated[str | None, Field(description="Version of polytask that wrote the file.")] = None
