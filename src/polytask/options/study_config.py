"""What a study is told."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from polytask.options.component_names import ArmName
from polytask.options.flag import Flag
from polytask.options.network_config import RUN, NetworkConfig

SEEDS: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "array", "minItems": 2, "items": {"type": "integer"}}]}
"""Seeds in study files: their number, or a list."""
MOST_LOOKS = 3
"""Largest number of planned looks at the test data."""
Tuned = Literal["lr", "decay", "balancer"]

_COMPARISON, _TUNING, _VERDICT = "Comparison", "Tuning", "Verdict"


class StudyConfig(NetworkConfig):
    """Choices of a study; resolved, they are the run folder's `run.yaml`, which repeats the study when it is given back.

    Example:
        >>> StudyConfig(source="mnist-fashion", seeds=2).seeds
        (0, 1)
    """

    keeps_test_rows: ClassVar[bool] = True

    arms: Annotated[
        tuple[ArmName, ...],
        Field(description="Ways of training to compare: single, and balancers with or without an architecture (equal@mmoe)."),
        Flag(_COMPARISON, separator=",", example='"single,equal,cagrad(c=0.4)"'),
    ] = ("single", "equal", "uncertainty")
    seeds: Annotated[
        tuple[int, ...],
        WithJsonSchema(SEEDS),
        Field(description="Number of repetitions, each with another split, start and order; at least 3 to trust the verdict."),
        Flag(_COMPARISON, default="5", counted=True),
    ] = (0, 1, 2, 3, 4)
    margins: Annotated[
        dict[str, float],
        Field(description="Per task the largest difference that still counts as the same, in the unit of its metric."),
        Flag(_VERDICT, name="margin", example="price=0.5", default="1 % of the single-task metric"),
    ] = Field(default_factory=dict)
    race: Annotated[
        bool,
        Field(
            description="Compare the joint arms on validation data first, and test only single-task training and the winner. Without a "
            "race every arm is tested with every seed."
        ),
        Flag(_COMPARISON),
    ] = False
    trials: Annotated[
        int,
        Field(ge=1, description="Number of settings that every arm may try before its seeds are trained; 1 tunes nothing."),
        Flag(_TUNING),
    ] = 1
    tune: Annotated[
        tuple[Tuned, ...],
        Field(description="What is tuned: the learning rate (lr), the weight decay (decay), the numbers of the balancer (balancer)."),
        Flag(_TUNING, separator=",", example="lr,decay"),
    ] = ("lr",)
    search: Annotated[
        Literal["quasi-random", "optuna"],
        Field(description="What proposes the settings; optuna needs the extra of that name."),
        Flag(_TUNING),
    ] = "quasi-random"
    looks: Annotated[
        tuple[int, ...],
        Field(description="Numbers of seeds after which the test data are looked at; a look that leaves nothing unclear is the last."),
        Flag(_VERDICT, separator=",", example="5,8,12", default="one look, with all seeds"),
    ] = ()
    protect: Annotated[
        tuple[str, ...],
        Field(description="Tasks that must not become worse by joint training."),
        Flag(_VERDICT, default="all tasks"),
    ] = ()
    cluster: Annotated[
        str | None,
        Field(exclude=True, description="Address of a Dask scheduler whose workers train. It changes no result and is not stored."),
        Flag(RUN, example="tcp://host:8786"),
    ] = None

    @model_validator(mode="after")
    def _looked(self) -> Self:
        """Check that looks grow, and end with all seeds."""
        if self.looks and (len(self.looks) > MOST_LOOKS or list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 2):
            raise ValueError(f"looks are at most {MOST_LOOKS} growing numbers of seeds, from 2 up")
        if self.looks and self.looks[-1] != len(self.seeds):
            raise ValueError(f"the last look is with all {len(self.seeds)} seeds")
        return self

    @model_validator(mode="before")
    @classmethod
    def _seeds_of_looks(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was given
        """Train as many seeds as the last look needs, where no seeds are given."""
        if not isinstance(value, dict) or "seeds" in value or not isinstance(value.get("looks"), list | tuple):
            return value
        last = str(next(reversed(value["looks"]), ""))
        return {**value, "seeds": int(last)} if last.isdecimal() else value

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, value: object) -> object:
        """Take a number of seeds as the seeds 0, 1, …."""
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("seeds")
    @classmethod
    def _enough(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < max(2, len(value)):
            raise ValueError("at least 2 different seeds are needed, and 3 to trust a verdict")
        return value

    @field_validator("margins")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not 0 < margin < float("inf") for margin in value.values()):
            raise ValueError("a margin is a number above 0")
        return value
