"""What every run is told: data, network and training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, field_validator

from polytask.errors import ConfigError
from polytask.options.base import OptionModel
from polytask.options.component_names import ArchitectureName, BalancerName, EncoderName
from polytask.options.flag import Flag
from polytask.options.table_options import TableOptions
from polytask.options.training_options import LEFT_OPEN, TrainingOptions

_DATA, NETWORK, RUN = "Data", "Network", "Run"


class NetworkConfig(OptionModel):
    """Choices that training, studies and measurements of relatedness share."""

    keeps_test_rows: ClassVar[bool] = False
    """Whether rows of a table are held out for a final test of what is chosen here."""

    source: Annotated[str | None, Field(description="Name of a built-in data set; null where sources are tables or Python objects.")] = None
    tables: Annotated[dict[str, TableOptions], Field(description="Tables in files, by the names of their sources.")] = Field(
        default_factory=dict
    )
    preset: Annotated[
        str | None,
        Field(description="Budget: quick, standard or thorough. It fills in what is not given; tables take standard by default."),
        Flag(RUN, example="quick"),
    ] = None
    size: Annotated[
        str | None,
        Field(description="Size of a built-in data set: sample (ships with polytask) or full."),
        Flag(_DATA, default="the smallest that there is"),
    ] = None
    encoder: Annotated[
        EncoderName | None,
        Field(description="Network that turns inputs into features (polytask methods encoder)."),
        Flag(NETWORK, example="'mlp(hidden=[64])'", default="conv for images, tabular for tables, text for texts, mlp for vectors"),
    ] = None
    encoder_options: Annotated[dict[str, Any], Field(description="Arguments of the encoder.")] = Field(default_factory=dict)
    architecture: Annotated[
        ArchitectureName,
        Field(description="How tasks share the encoder (polytask methods architecture)."),
        Flag(NETWORK, example="'mmoe(experts=4)'"),
    ] = "hard"
    hidden: Annotated[
        tuple[int, ...], Field(description="Widths of the hidden layers of every head."), Flag(NETWORK, separator=",", example="64,32")
    ] = (64,)
    initialization: Annotated[
        Literal["framework", "glorot", "he"],
        Field(description="How parameters are initialized; framework is PyTorch's way."),
        Flag(NETWORK),
    ] = "framework"
    workers: Annotated[
        int | None, Field(ge=1, description="Number of processes that train networks side by side."), Flag(RUN, default="one per core")
    ] = None
    training: Annotated[TrainingOptions, Field(description="How every network is trained.")] = Field(default_factory=TrainingOptions)
    version: Annotated[str | None, Field(description="Version of polytask that wrote the file.")] = None

    @field_validator("tables", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Accept targets as a list of names."""
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
    """Choices for the training of one network; resolved, they are the run folder's `run.yaml`.

    Example:
        >>> TrainConfig(source="mnist-fashion").balancer
        'equal'
    """

    balancer: Annotated[
        BalancerName,
        Field(description="How the losses of the tasks become one update (polytask methods balancer), or weights=0.2/0.8."),
        Flag(NETWORK, example="'cagrad(c=0.4)'"),
    ] = "equal"
    seed: Annotated[int, Field(description="Root of all random streams."), Flag(RUN)] = 0


Config = TypeVar("Config", bound=NetworkConfig)

FILLED_IN: Mapping[str, str | None] = {
    "size": None,
    "encoder": None,
    "measure_every": None,
    "measured_rows": None,
    "max_groups": None,
    **{f"training.{name}": value for name, value in LEFT_OPEN.items()},
}
"""Choices that are filled in when a run begins, with the value that stands for "not chosen yet"."""


def differences(asked: NetworkConfig, stored: NetworkConfig) -> str:
    """Return the names of the choices in which a stored, resolved configuration differs from a new one.

    Example:
        >>> begun = TrainConfig(encoder="mlp", training=TrainingOptions(threads=2, max_grad_norm=1.0))
        >>> differences(TrainConfig(), begun), differences(TrainConfig(seed=1), begun)
        ('training.max_grad_norm', 'seed, training.max_grad_norm')
    """
    first, second = _flat(asked), _flat(stored)
    return ", ".join(name for name, value in first.items() if value != second[name] and (name, value) not in FILLED_IN.items())


def _flat(config: NetworkConfig) -> dict[str, Any]:
    """Return every choice but the version and the workers, those of training under `training.name`."""
    plain = config.model_dump(mode="json", exclude={"version", "workers", "cluster"})
    training = plain.pop("training")
    return plain | {f"training.{name}": value for name, value in training.items()}
