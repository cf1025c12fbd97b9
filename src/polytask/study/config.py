"""What a study is told: every choice, with its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, field_validator, model_validator

from polytask.datasets.tables import TableOptions
from polytask.errors import ConfigError
from polytask.evaluation.verdict import MOST_LOOKS
from polytask.study.named_parts import ArchitectureName, ArmName, BalancerName, EncoderName, check_imports
from polytask.study.settings import Tuned
from polytask.training import TrainingOptions
from polytask.training.options import LEFT_OPEN, one_line

SEEDS: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "array", "minItems": 2, "items": {"type": "integer"}}]}
"""As study files write seeds: how many, or which."""


class NetworkConfig(BaseModel):
    """What every run is told.

    Attributes:
        source: The name of a built-in data set; none where sources were given in Python, or are tables.
        tables: Tables in files, by the names of their sources.
        preset: The budget: `quick`, `standard` or `thorough`; none takes `standard` for tables. It says what is not said otherwise.
        size: `sample` or `full`; none takes the first that there is.
        encoder: Its name with its options, an import path, a class or an object; none takes `conv` for images, `tabular` for tables,
            `text` for texts, `mlp` for vectors.
        encoder_options: More arguments of the encoder.
        architecture: The way of sharing, likewise.
        hidden: Widths of the heads' hidden layers.
        initialisation: Of the networks: `framework`, `glorot` or `he`.
        workers: Processes side by side; none takes one per core, if there is work for so many.
        training: How every network is trained.
        version: Of polytask, that wrote it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keeps_test_rows: ClassVar[bool] = False
    """Whether rows of a table are laid aside, so that what is chosen here can be put to the test on them."""

    source: str | None = None
    tables: dict[str, TableOptions] = Field(default_factory=dict)
    preset: str | None = None
    size: str | None = None
    encoder: EncoderName | None = None
    encoder_options: dict[str, Any] = Field(default_factory=dict)
    architecture: ArchitectureName = "hard"
    hidden: tuple[int, ...] = (64,)
    initialisation: Literal["framework", "glorot", "he"] = "framework"
    workers: int | None = Field(None, ge=1)
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    version: str | None = None

    @field_validator("tables", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Targets of which only the names are given."""
        if not isinstance(value, Mapping):
            return value
        return {name: _named_targets(table) for name, table in value.items()}


def _named_targets(table: object) -> object:
    named = table.get("targets") if isinstance(table, Mapping) else None
    if isinstance(table, Mapping) and isinstance(named, str | list | tuple):
        targets = [named] if isinstance(named, str) else list(named)
        if len(set(map(str, targets))) < len(targets):
            raise ConfigError("a target is named twice", where="targets", found=", ".join(map(str, targets)), remedy="Say it once")
        return {**table, "targets": {str(target): None for target in targets}}
    return table


class TrainConfig(NetworkConfig):
    """What the training of one network is told. Resolved, it is the run folder's `run.yaml`.

    Attributes:
        balancer: Its name, an import path, a class or an object; or `weights=0.2/0.8` in the order of the tasks.
        seed: Root of all random streams.

    Example:
        >>> TrainConfig(source="mnist-fashion").balancer
        'equal'
    """

    balancer: BalancerName = "equal"
    seed: int = 0


class StudyConfig(NetworkConfig):
    """What a study is told. Resolved, it is the run folder's `run.yaml`; fed back, it repeats the study.

    Attributes:
        arms: `single`, and what is compared with it.
        seeds: The seeds, or how many: 0, 1, ….
        plan: `grid` tests every arm with every seed; `race` first lets the joint arms race on validation data, and tests single-task
            training and the winner alone.
        trials: How many settings every arm may try before its seeds are trained; with one, nothing is tuned.
        tune: What is tuned: the learning rate `lr`, the weight `decay`, the balancers' `own` numbers.
        search: What proposes the settings: `quasi-random`, or `optuna` (extra).
        looks: With how many of the seeds the test data are looked at, each time more; a look that leaves nothing unclear is the last.
            None looks once, with all.
        protect: Tasks that must not lose by joint training; all of them if none is named.
        margins: Per task how large a difference still counts as the same, in the metric's own unit; where a task has
            none: 1 % of its single-task metric.
        cluster: The address of a Dask scheduler, whose workers take the place of processes of this computer. It says where the work
            is done, which changes no result, and is not stored.

    Example:
        >>> StudyConfig(source="mnist-fashion", seeds=2).seeds
        (0, 1)
    """

    keeps_test_rows: ClassVar[bool] = True

    arms: tuple[ArmName, ...] = ("single", "equal", "uncertainty")
    seeds: Annotated[tuple[int, ...], WithJsonSchema(SEEDS)] = (0, 1, 2, 3, 4)
    margins: dict[str, float] = Field(default_factory=dict)
    plan: Literal["grid", "race"] = "grid"
    trials: int = Field(1, ge=1)
    tune: tuple[Tuned, ...] = ("lr",)
    search: Literal["quasi-random", "optuna"] = "quasi-random"
    looks: tuple[int, ...] = ()
    protect: tuple[str, ...] = ()
    cluster: str | None = Field(None, exclude=True)

    @model_validator(mode="after")
    def _looked(self) -> Self:
        """Looks grow, and end with all seeds."""
        if self.looks and (len(self.looks) > MOST_LOOKS or list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 2):
            raise ValueError(f"looks are at most {MOST_LOOKS} growing numbers of seeds, from 2 up")
        if self.looks and self.looks[-1] != len(self.seeds):
            raise ValueError(f"the last look is with all {len(self.seeds)} seeds")
        return self

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, value: object) -> object:
        """A number of seeds stands for the seeds 0, 1, …."""
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


Config = TypeVar("Config", bound=NetworkConfig)


def checked(kind: type[Config], given: object, where: str, *, imports: bool = False) -> Config:
    """The configuration, with one line for what is wrong with it.

    Args:
        kind: What it is a configuration of.
        given: Names with values.
        where: What it is called in messages.
        imports: Whether import paths are followed in a file that polytask has written, as `run.yaml`; in others they are.

    Raises:
        ConfigError: An unknown choice, or a value that cannot be.
    """
    if not isinstance(given, Mapping):
        raise ConfigError("a configuration is a mapping of names to values", where=where, found=type(given).__name__)
    if given.get("version") is not None and not imports:
        check_imports(given, where)
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise one_line(error, where, kind) from None


FILLED_IN: Mapping[str, str | None] = {
    "size": None,
    "encoder": None,
    "every": None,
    "rows": None,
    "groups": None,
    **{f"training.{name}": value for name, value in LEFT_OPEN.items()},
}
"""The choices that are filled in when a run begins, and what stands there before. Elsewhere None is a choice like any other."""


def differences(asked: NetworkConfig, stored: NetworkConfig) -> str:
    """The names of the choices in which a stored, resolved configuration is not what was asked for.

    Example:
        >>> begun = TrainConfig(encoder="mlp", training=TrainingOptions(threads=2, clip=1.0))
        >>> differences(TrainConfig(), begun), differences(TrainConfig(seed=1), begun)
        ('training.clip', 'seed, training.clip')
    """
    first, second = _flat(asked), _flat(stored)
    return ", ".join(name for name, value in first.items() if value != second[name] and (name, value) not in FILLED_IN.items())


def _flat(config: NetworkConfig) -> dict[str, Any]:
    """Every choice but the version and where the work is done, those of training under `training.name`."""
    plain = config.model_dump(mode="json", exclude={"version", "workers", "cluster"})
    training = plain.pop("training")
    return plain | {f"training.{name}": value for name, value in training.items()}
