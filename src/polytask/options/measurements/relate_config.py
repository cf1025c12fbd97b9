"""Options of `polytask relate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from polytask.options.cli_option import Flag
from polytask.options.train_config import NETWORK, NetworkConfig
from polytask.options.values.component_names import BalancerName
from polytask.options.values.limits import MOST_PARTS, MOST_ROWS, Seed, expand_seeds

Measure = Literal["cosine", "lookahead", "transfer", "similarity"]
IN_THE_JOINT_RUN: tuple[Measure, ...] = ("cosine", "lookahead")

_MEASURING = "Relatedness"


class RelateConfig(NetworkConfig):
    """Options for measuring relatedness; the resolved options are the run folder's `run.yaml`, which repeats the run.

    Example:
        >>> RelateConfig(source="mnist-fashion", seeds=2).seeds
        (0, 1)
    """

    @property
    def keeps_test_rows(self) -> bool:
        """A fifth of the rows of a table without test rows is kept for testing."""
        return True

    measures: Annotated[
        tuple[Measure, ...],
        Field(
            description="Measures of relatedness. cosine and lookahead are measured while one joint network is trained; transfer and "
            "similarity also train a network per task, and transfer one more for every pair of tasks."
        ),
        Flag(_MEASURING, separator=","),
    ] = IN_THE_JOINT_RUN
    seeds: Annotated[
        tuple[Seed, ...],
        Field(description="Number of repetitions, each with its own split, initialization and batch order."),
        Flag(_MEASURING, default="3", counted=True),
    ] = (0, 1, 2)
    max_groups: Annotated[
        int | None,
        Field(ge=1, le=MOST_PARTS, description="Largest number of networks to propose."),
        Flag(_MEASURING, default="2 up to 6 tasks, 3 up to 12, then a quarter of the tasks"),
    ] = None
    balancer: Annotated[
        BalancerName,
        Field(description="Balancer of the joint network; see polytask methods balancer."),
        Flag(NETWORK, example="'cagrad(c=0.4)'"),
    ] = "equal"
    measure_every: Annotated[
        int | None,
        Field(ge=1, le=MOST_ROWS, description="Measure once in this many training steps of the joint network."),
        Flag(_MEASURING, default="5 (tasks + 1)"),
    ] = None
    measured_rows: Annotated[
        int | None,
        Field(ge=1, le=MOST_ROWS, description="Number of training rows on which a step is measured."),
        Flag(_MEASURING, default="the rows of the step, or 256 if rows are cheap to compute"),
    ] = None

    _counted = field_validator("seeds", mode="before")(expand_seeds)

    @field_validator("seeds", "measures")
    @classmethod
    def _different(cls, value: tuple[object, ...]) -> tuple[object, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("must be non-empty and unique")
        return value
