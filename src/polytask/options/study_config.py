"""Options of `polytask study`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from polytask.errors import ConfigError
from polytask.options.cli_option import FILE_ONLY, Flag
from polytask.options.train_config import NETWORK, RUN, NetworkConfig
from polytask.options.training_options import FUNCTION_TRAINING, TrainingOptions
from polytask.options.training_presets import TRAINING_PRESETS
from polytask.options.values.component_names import ArmName, TrainName, expand_tables
from polytask.options.values.limits import (
    MOST_FOLDS,
    MOST_PARTS,
    MOST_SEEDS,
    Seed,
    SeedCount,
    check_margins,
    check_several_seeds,
    expand_seeds,
)
from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE, ToleranceOption

SEEDS: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "array", "minItems": 2, "items": {"type": "integer"}}]}
"""JSON schema of seeds in a study file: their number, or a list."""
Tuned = Literal["lr", "decay", "balancer"]

FUNCTION_ARMS = ("single", "joint")
"""Arms of a training function by default: a call per task, and one for all tasks."""
REPETITIONS = 2
"""Repetitions of a cross-validation by default."""
_COMPARISON, _TUNING, _VERDICT = "Comparison", "Tuning", "Verdict"


class StudyConfig(NetworkConfig):
    """Options of a study; the resolved options are the run folder's `run.yaml`, which repeats the study.

    Example:
        >>> StudyConfig(source="mnist-fashion", seeds=2).seeds
        (0, 1)
    """

    arms: Annotated[
        tuple[ArmName, ...],
        Field(
            description="Training methods to compare: single (one network per task), and balancers, each with or without an architecture "
            "(equal@mmoe); tables adds trees and linear models. mnist-fashion has a default of its own: single and equal."
        ),
        Flag(_COMPARISON, separator=",", example='"single,equal,cagrad(c=0.4)"'),
    ] = ("single", "equal", "uncertainty")
    seeds: Annotated[
        tuple[Seed, ...],
        WithJsonSchema(SEEDS),
        Field(
            description="Number of repetitions, each with its own split, initialization and batch order; at least 3 for a reliable verdict."
        ),
        Flag(_COMPARISON, default="5; mnist-fashion: up to 12; tables: what fits the minutes", counted=True),
    ] = (0, 1, 2, 3, 4)
    minutes: Annotated[
        float | None,
        Field(
            gt=0,
            description="Time for the whole study. The first networks are timed, and the number of seeds follows (at most 20), with looks "
            "at about 25, 40, 60 and 100 % of it; both are fixed before the test data are opened.",
        ),
        Flag(_COMPARISON, example="10", default="that of the preset (quick 2, standard 10, thorough 60), unless seeds or looks are given"),
    ] = None
    folds: Annotated[
        int | None,
        Field(
            ge=2,
            le=MOST_FOLDS,
            description="Cross-validate with this many folds: every row is a test row once per repetition, and seeds are the splits, folds "
            "times repetitions. For small tables; the question is then about training sets of that size.",
        ),
        Flag(_COMPARISON, example="5", default="a fifth of the rows is for testing"),
    ] = None
    more_seeds: Annotated[
        int | None,
        Field(
            ge=1,
            le=MOST_SEEDS,
            exclude=True,
            description="Add this many seeds to the finished run in --out, whose claims are unclear. Not stored.",
        ),
        Flag(_COMPARISON, name="continue", example="8"),
    ] = None
    dry_run: Annotated[
        bool,
        Field(exclude=True, description="Train one epoch, and say how long the study takes and which differences it can find. Not stored."),
        Flag(_COMPARISON),
    ] = False
    train: Annotated[
        TrainName | None,
        Field(
            description="Function of your own that trains, train(request), by its import path; it takes the place of networks and training "
            "options, with the arms single and joint."
        ),
        Flag(NETWORK, example="mypkg.train:train"),
    ] = None
    time_limit: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False, description="Seconds after which a call of your training function is ended."),
        Flag(RUN, default="no limit"),
    ] = None
    margins: Annotated[
        dict[str, float],
        Field(description="Largest difference that still counts as the same, per task, in the unit of its metric."),
        Flag(_VERDICT, example="price=0.5", default="1 % of the single-task metric, less for shares near 1"),
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
        Field(ge=1, le=MOST_PARTS, description="Number of settings to try for every arm before its seeds are trained; 1 disables tuning."),
        Flag(_TUNING),
    ] = 1
    tune: Annotated[
        tuple[Tuned, ...],
        Field(
            description="What to tune: the learning rate (lr), the weight decay (decay), the numeric options of the balancer (balancer)."
        ),
        Flag(_TUNING, separator=",", example="lr,decay"),
    ] = ("lr",)
    search: Annotated[
        Literal["quasi-random", "optuna"],
        Field(description="Method that proposes the settings; optuna needs pip install 'polytask[optuna]'."),
        Flag(_TUNING),
    ] = "quasi-random"
    looks: Annotated[
        tuple[SeedCount, ...],
        Field(
            description="Numbers of seeds at which to look at the test data; the first look with nothing unclear is the last. The error is "
            "spent in proportion to seeds."
        ),
        Flag(_VERDICT, separator=",", example="5,8,12,20", default="one look, with all seeds; mnist-fashion: 5,8,12"),
    ] = ()
    continued: Annotated[
        tuple[SeedCount, ...], Field(description="Numbers of seeds after each continuation of the finished plan."), FILE_ONLY
    ] = ()
    tolerate: Annotated[
        ToleranceOption,
        Field(
            description="What one network instead of one per task is worth, per task: a number of margins, or a percentage of the "
            "single-task metric. Protected tasks may lose that much."
        ),
        Flag(_VERDICT, example="1%", default="half a margin"),
    ] = DEFAULT_TOLERANCE
    protect: Annotated[
        tuple[str, ...],
        Field(description="Tasks that must not lose more than is tolerated, shown by their intervals: if one may, train separately."),
        Flag(_VERDICT, default="none"),
    ] = ()
    cluster: Annotated[
        str | None,
        Field(
            exclude=True,
            description="Address of a Dask scheduler whose workers train the networks. It does not change the results and is not stored.",
        ),
        Flag(RUN, example="tcp://host:8786"),
    ] = None

    @property
    def keeps_test_rows(self) -> bool:
        """Whether a fifth of the rows of a table without test rows is kept for testing: not where every row is tested in its turn."""
        return self.folds is None

    @property
    def left_open(self) -> frozenset[str]:
        """Options that are decided when the first networks were timed."""
        return frozenset({"seeds", "looks"} if self.minutes is not None and not self.looks else ())

    @property
    def _is_plan_of_preset(self) -> bool:
        """Whether minutes and seeds are those that a preset leaves: options that were filled in may be given again."""
        preset = TRAINING_PRESETS.get(self.preset or "")
        return preset is not None and self.minutes == preset.minutes and self.seeds == type(self).model_fields["seeds"].default

    @model_validator(mode="after")
    def _looked(self) -> Self:
        """Check that looks and continuations increase and end with all seeds, and that minutes do not contradict them."""
        if self.looks and (list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 2):
            raise ValueError("looks must be increasing numbers of seeds, from 2 up")
        if self.continued and (not self.looks or list(self.looks + self.continued) != sorted(set(self.looks + self.continued))):
            raise ValueError("continued must be increasing numbers of seeds above those of looks")
        own = "seeds" in self.model_fields_set and not self._is_plan_of_preset
        if self.minutes is not None and own and not self.looks and self.version is None:
            raise ValueError("give minutes or seeds, not both")
        if self.minutes is not None and self.looks and self.version is None:  # a stored run has both: looks that fit its minutes
            raise ValueError("give minutes or looks, not both")
        if self.looks and (self.looks + self.continued)[-1] != len(self.seeds):
            raise ValueError(f"the last look must use all {len(self.seeds)} seeds")
        return self

    @model_validator(mode="after")
    def _cross_validated(self) -> Self:
        """Check that a cross-validation has whole repetitions, one look, and rows that can be divided at random."""
        if self.folds is not None:
            _check_folds(self, self.folds)
        return self

    @model_validator(mode="after")
    def _trained_by_function(self) -> Self:
        """Check that a training function is given no option that it could not use."""
        _check_function_options(self)
        return self

    @model_validator(mode="before")
    @classmethod
    def _arms_of_function(cls, value: Any) -> Any:  # noqa: ANN401 - input before validation
        """Set the arms of a training function if none are given."""
        given = isinstance(value, dict) and value.get("train") is not None and "arms" not in value
        return {**value, "arms": list(FUNCTION_ARMS)} if given else value

    @model_validator(mode="before")
    @classmethod
    def _seeds_of_folds(cls, value: Any) -> Any:  # noqa: ANN401 - input before validation
        """Set two repetitions of a cross-validation if no seeds are given."""
        if not isinstance(value, dict) or {"seeds", "minutes"} & set(value) or not str(value.get("folds")).isdecimal():
            return value
        folds = int(value["folds"])
        return {**value, "seeds": REPETITIONS * folds} if 2 <= folds <= MOST_FOLDS else value

    @model_validator(mode="before")
    @classmethod
    def _seeds_of_looks(cls, value: Any) -> Any:  # noqa: ANN401 - input before validation
        """Set the number of seeds to that of the last look if no seeds are given."""
        if not isinstance(value, dict) or "seeds" in value or not isinstance(value.get("looks"), list | tuple):
            return value
        looks = [*value["looks"], *(value.get("continued") or ())]
        last = str(next(reversed(looks), ""))
        return {**value, "seeds": int(last)} if last.isdecimal() else value

    _counted = field_validator("seeds", mode="before")(expand_seeds)
    _of_tables = field_validator("arms", mode="before")(expand_tables)
    _enough = field_validator("seeds")(check_several_seeds)
    _positive = field_validator("margins")(check_margins)


def _check_folds(config: StudyConfig, folds: int) -> None:
    """Check that a cross-validation has whole repetitions, one look, nothing that is chosen on rows that are tested, and rows to divide.

    Raises:
        ConfigError: Another option does not go with `folds`.
    """
    where, number = "folds", len(config.seeds)
    looking = [name for name in ("looks", "minutes", "more_seeds") if getattr(config, name)]
    if looking:
        remedy = "Leave it out, and fix the number of splits by seeds"
        raise ConfigError(
            "splits of a cross-validation are looked at once",
            where=where,
            found=looking[0].replace("more_seeds", "continue"),
            remedy=remedy,
        )
    if config.seeds != tuple(range(number)) or number % folds:
        remedy = f"Give a multiple of {folds} as seeds, such as {REPETITIONS * folds}"
        raise ConfigError(
            "seeds are splits here, and every row is tested equally often", where=where, found=f"{number} seeds", remedy=remedy
        )
    if config.race or config.trials > 1:
        found, remedy = "race" if config.race else f"trials: {config.trials}", "Leave it out, or leave out folds"
        raise ConfigError("what is tuned before would be chosen on rows that are tested", where=where, found=found, remedy=remedy)
    if config.source is not None:
        remedy = "Leave out folds"
        raise ConfigError("a built-in data set has test rows of its own", where=where, found=config.source, remedy=remedy)
    for name, table in config.tables.items():
        given = [way for way in ("test_file", "split", "time", "test_fraction") if getattr(table, way) is not None]
        if given:
            remedy = f"Leave out {given[0]}, or leave out folds"
            raise ConfigError("folds are drawn at random from all rows", where=f"folds, table {name!r}", found=given[0], remedy=remedy)


_NETWORK_ONLY = ("model", "encoder", "encoder_options", "architecture", "hidden", "initialization", "callbacks", "trials")


def _check_function_options(config: StudyConfig) -> None:
    """Check that a training function is given no option that it could not use, and that only it has a time limit.

    Raises:
        ConfigError: An option of networks or of their training differs from its default.
    """
    if config.train is None:
        if config.time_limit is not None:
            remedy = "Name the function by train, or use minutes, the time of the whole study"
            raise ConfigError(
                "a time limit is for calls of a training function", where="time_limit", found=config.time_limit, remedy=remedy
            )
        return
    remedy = "Pass it to the function: Arm('wide', options={...}), or package.module:train(width=64)"
    for name in _NETWORK_ONLY:
        if getattr(config, name) != type(config).model_fields[name].get_default(call_default_factory=True):
            raise ConfigError("a training function has no such option", where=name, found=getattr(config, name), remedy=remedy)
    for name, field in TrainingOptions.model_fields.items():
        value = getattr(config.training, name)
        if name not in FUNCTION_TRAINING and value != field.get_default(call_default_factory=True):
            raise ConfigError("a training function has no such option", where=f"training.{name}", found=value, remedy=remedy)
