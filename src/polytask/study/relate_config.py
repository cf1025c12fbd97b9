"""What the measuring of relatedness is told."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from polytask.study.config import NetworkConfig
from polytask.study.named_parts import BalancerName

Measure = Literal["cosine", "lookahead", "transfer", "similarity"]
IN_THE_JOINT_RUN: tuple[Measure, ...] = ("cosine", "lookahead")


class RelateConfig(NetworkConfig):
    """What the measuring of relatedness is told. Resolved, it is the run folder's `run.yaml`; fed back, it repeats the run.

    Attributes:
        measures: `cosine` and `lookahead` are measured while a joint network is trained; `transfer` and `similarity` need networks for
            single tasks, `transfer` also one for every pair of tasks.
        seeds: The seeds, or how many: 0, 1, ….
        groups: How many networks are proposed at most; none takes 2 for up to 6 tasks, 3 for up to 12, and a quarter of the tasks beyond.
        balancer: Of the joint network: a name with its options, an import path, a class or an object.
        every: Of how many steps of the joint network one is measured; none takes `polytask.relatedness.observing.stretch`.
        rows: How many training rows a measured step looks at; none takes those of the step, or 256 where a row costs little.

    Example:
        >>> RelateConfig(source="mnist-fashion", seeds=2).seeds
        (0, 1)
    """

    keeps_test_rows: ClassVar[bool] = True

    measures: tuple[Measure, ...] = IN_THE_JOINT_RUN
    seeds: tuple[int, ...] = (0, 1, 2)
    groups: Annotated[int, Field(ge=1)] | None = None
    balancer: BalancerName = "equal"
    every: Annotated[int, Field(ge=1)] | None = None
    rows: Annotated[int, Field(ge=1)] | None = None

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, value: object) -> object:
        """A number of seeds stands for the seeds 0, 1, …."""
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("seeds", "measures")
    @classmethod
    def _different(cls, value: tuple[object, ...]) -> tuple[object, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError("one at least is needed, and each of them once")
        return value
