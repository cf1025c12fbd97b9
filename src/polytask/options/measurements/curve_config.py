"""Options of `polytask curve`."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from polytask.options.cli_option import Flag
from polytask.options.study_config import SEEDS
from polytask.options.train_config import NetworkConfig
from polytask.options.values.component_names import ArmName
from polytask.options.values.limits import Seed, check_margins, check_several_seeds, expand_seeds

_CURVE, _VERDICT = "Learning curve", "Verdict"


class CurveConfig(NetworkConfig):
    """Options of learning curves; the resolved options are the run folder's `run.yaml`, which repeats the run.

    Example:
        >>> CurveConfig(source="mnist-fashion", shares=["1/4", 1]).shares
        (0.25, 1.0)
    """

    @property
    def keeps_test_rows(self) -> bool:
        """A fifth of the rows of a table without test rows is kept for testing."""
        return True

    arms: Annotated[
        tuple[ArmName, ...],
        Field(description="Training methods to compare: single (one network per task), and joint arms such as equal or equal@mmoe."),
        Flag(_CURVE, separator=",", example='"single,equal,uncertainty"'),
    ] = ("single", "equal")
    shares: Annotated[
        tuple[float, ...],
        Field(min_length=2, description="Shares of the labels of the training rows, as numbers or fractions; the rows are nested."),
        Flag(_CURVE, separator=",", example="1/16,1/4,1", default="1/8,1/4,1/2,1"),
    ] = (0.125, 0.25, 0.5, 1.0)
    labels_of: Annotated[
        tuple[str, ...],
        Field(description="Tasks of which labels are left out; all labels of the other tasks are used."),
        Flag(_CURVE, separator=",", default="all tasks", example="garment"),
    ] = ()
    seeds: Annotated[
        tuple[Seed, ...],
        WithJsonSchema(SEEDS),
        Field(description="Number of repetitions, each with its own split, labels, initialization and batch order."),
        Flag(_CURVE, default="5", counted=True),
    ] = (0, 1, 2, 3, 4)
    margins: Annotated[
        dict[str, float],
        Field(description="Largest difference that still counts as the same, per task, in the unit of its metric."),
        Flag(_VERDICT, example="price=0.5", default="1 % of the single-task metric at every share, less for shares near 1"),
    ] = Field(default_factory=dict)

    @field_validator("shares", mode="before")
    @classmethod
    def _fractions(cls, value: object) -> object:
        """Read fractions such as 1/8."""
        return tuple(_number(entry) for entry in value) if isinstance(value, list | tuple) else value

    @field_validator("shares")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < share <= 1 for share in value) or len(set(value)) < len(value):
            raise ValueError("shares must be different numbers above 0 and at most 1")
        return tuple(sorted(value))

    _counted = field_validator("seeds", mode="before")(expand_seeds)
    _enough = field_validator("seeds")(check_several_seeds)
    _positive = field_validator("margins")(check_margins)

    @model_validator(mode="after")
    def _share_is_varied(self) -> Self:
        """Check that the share of labels, which a curve varies, is not given."""
        if self.training.label_share != 1 or self.training.label_share_of:
            raise ValueError("a curve varies the share of the labels: use shares and labels_of, not label_share")
        return self


def _number(entry: Any) -> Any:  # noqa: ANN401 - input before validation
    """Return the value of a fraction in a text; anything else is left to the validation."""
    if not isinstance(entry, str):
        return entry
    try:
        return float(Fraction(entry.strip()))
    except (ValueError, ZeroDivisionError):
        return entry
