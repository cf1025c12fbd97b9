"""Options that all runs share: data, network and training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from polytask.errors import ConfigError
from polytask.options.base import OptionModel
from polytask.options.cli_option import Flag
from polytask.options.table_options import TableOptions
from polytask.options.training_options import LEFT_OPEN, TrainingOptions
from polytask.options.values.component_names import (
    AUTO,
    ArchitectureName,
    BalancerName,
    CallbackName,
    DatasetName,
    EncoderName,
    LoggerName,
    ModelName,
)
from polytask.options.values.limits import MOST_LAYERS, MOST_THREADS, Seed, Width

_DATA, NETWORK, RUN = "Data", "Network", "Run"


PARTS_OF_NETWORKS = ("encoder", "encoder_options", "architecture", "hidden", "initialization")
"""Options of a network of polytask, which one of the user's own does not have."""


class NetworkConfig(OptionModel):
    """Options shared by training, studies and measurements of relatedness."""

    @property
    def keeps_test_rows(self) -> bool:
        """Whether a fifth of the rows of a table without test rows is kept for testing."""
        return False

    """Whether rows of tables are held out for a final test."""
    chooses_models: ClassVar[bool] = False
    """Whether `model` may be `auto`."""

    source: Annotated[
        DatasetName | None,
        Field(description="Name or import path of a data set; null if the sources are tables or Python objects."),
    ] = None
    tables: Annotated[dict[str, TableOptions], Field(description="Tables in files, keyed by the names of their sources.")] = Field(
        default_factory=dict
    )
    preset: Annotated[
        str | None,
        Field(description="Budget: quick, standard or thorough. It sets options that are not given. Default for tables: standard."),
        Flag(RUN, example="quick"),
    ] = None
    size: Annotated[
        str | None,
        Field(description="Size of a built-in data set: sample (ships with polytask) or full."),
        Flag(_DATA, default="the smallest available"),
    ] = None
    model: Annotated[
        ModelName | None,
        Field(
            description="Function that makes your own networks, make(tasks, seed), by its import path; it takes the place of encoder, "
            "architecture, hidden and initialization. For training on a table also auto: the best of networks, trees and linear models."
        ),
        Flag(NETWORK, example="mypkg.nets:make"),
    ] = None
    encoder: Annotated[
        EncoderName | None,
        Field(description="Network that turns inputs into features; see polytask methods encoder."),
        Flag(
            NETWORK,
            example="'mlp(hidden=[64])'",
            default="conv for images, tabular for tables, text for texts, gru for sequences, mlp for vectors",
        ),
    ] = None
    encoder_options: Annotated[dict[str, Any], Field(description="Arguments of the encoder.")] = Field(default_factory=dict)
    architecture: Annotated[
        ArchitectureName,
        Field(description="How tasks share the encoder; see polytask methods architecture."),
        Flag(NETWORK, example="'mmoe(experts=4)'"),
    ] = "hard"
    hidden: Annotated[
        tuple[Width, ...],
        Field(max_length=MOST_LAYERS, description="Widths of the hidden layers of each task's head."),
        Flag(NETWORK, separator=",", example="64,32"),
    ] = (64,)
    initialization: Annotated[
        Literal["framework", "glorot", "he"],
        Field(description="How parameters are initialized; framework keeps PyTorch's defaults."),
        Flag(NETWORK),
    ] = "framework"
    callbacks: Annotated[
        tuple[CallbackName, ...],
        Field(description="Callbacks that observe every network during training; see polytask methods callback."),
        Flag(RUN, example="affinity"),
    ] = ()
    logger: Annotated[
        LoggerName | None,
        Field(description="Where the values of every epoch and network are recorded; see polytask methods logger."),
        Flag(RUN, example="'mlflow(experiment=mine)'", default="none"),
    ] = None
    workers: Annotated[
        int | None,
        Field(ge=1, le=MOST_THREADS, description="Number of processes that train networks in parallel."),
        Flag(RUN, default="one per core, or as many as fit on accelerators"),
    ] = None
    training: Annotated[TrainingOptions, Field(description="Training options of every network.")] = Field(default_factory=TrainingOptions)
    version: Annotated[str | None, Field(description="Version of polytask that wrote the file.")] = None

    @property
    def left_open(self) -> frozenset[str]:
        """Options that are decided during the run."""
        return frozenset()

    @model_validator(mode="after")
    def _without_parts(self) -> Self:
        """Check that a model of the user's own is given no parts, which it could not use, and that only training chooses a model."""
        if self.model == AUTO and not self.chooses_models:
            remedy = "Use polytask train --model auto; a study compares networks, and shows trees and linear models as arms"
            raise ConfigError("only training chooses a model", where="model", found=AUTO, remedy=remedy)
        for name in PARTS_OF_NETWORKS if self.model is not None else ():
            value = getattr(self, name)
            if value != type(self).model_fields[name].get_default(call_default_factory=True):
                remedy = "Leave it out: the model defines all of its network"
                raise ConfigError("a model of your own has no such part", where=name, found=value, remedy=remedy)
        return self

    @field_validator("tables", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Accept targets as a list of names without kinds."""
        if not isinstance(value, Mapping):
            return value
        return {name: _named_targets(table) for name, table in value.items()}


def _named_targets(table: object) -> object:
    named = table.get("targets") if isinstance(table, Mapping) else None
    if isinstance(table, Mapping) and isinstance(named, str | list | tuple):
        targets = [named] if isinstance(named, str) else list(named)
        if len(set(map(str, targets))) < len(targets):
            raise ConfigError("a target is named twice", where="targets", found=", ".join(map(str, targets)), remedy="Name it once")
        return {**table, "targets": {str(target): None for target in targets}}
    return table


class TrainConfig(NetworkConfig):
    """Options for training one network; the resolved options are the run folder's `run.yaml`.

    Example:
        >>> TrainConfig(source="mnist-fashion").balancer
        'equal'
    """

    chooses_models: ClassVar[bool] = True

    balancer: Annotated[
        BalancerName,
        Field(description="How task losses become one update: a balancer (see polytask methods balancer), or weights=0.2/0.8."),
        Flag(NETWORK, example="'cagrad(c=0.4)'"),
    ] = "equal"
    seed: Annotated[Seed, Field(description="Seed from which all random streams are derived."), Flag(RUN)] = 0
    minutes: Annotated[
        float | None,
        Field(gt=0, description="Minutes after which model auto fits no further kind of model."),
        Flag(RUN, default="no limit"),
    ] = None
    init_from: Annotated[
        str | None,
        Field(description="Folder of a finished run or of a model: the network starts from its weights, which must fit."),
        Flag(NETWORK, example="runs/train-sales"),
    ] = None
    init_digest: Annotated[
        str | None,
        Field(description="SHA-256 of the weights that the network started from, which the run is repeated with; written by the run."),
    ] = None
    decisions: Annotated[
        dict[str, Any] | None,
        Field(description="What model auto decided in an earlier run, which is then repeated whatever the clock says."),
    ] = None

    @property
    def left_open(self) -> frozenset[str]:
        """Options that are decided during the run, unless they are given."""
        return frozenset({"decisions"} if self.decisions is None else ())

    @field_validator("init_from", mode="before")
    @classmethod
    def _path_as_text(cls, value: object) -> object:
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @model_validator(mode="after")
    def _starts_a_network(self) -> Self:
        """Check that weights are given once, and to a network, not to a choice of models."""
        if self.init_from is not None and self.model == AUTO:
            remedy = "Leave out one of them"
            raise ConfigError("only a network starts from the weights of another run", where="init_from", found=AUTO, remedy=remedy)
        if self.init_from is not None and self.training.initial_weights is not None:
            found, remedy = f"initial_weights {self.training.initial_weights!r}", "Leave out one of them"
            raise ConfigError("a network starts from one set of weights", where="init_from", found=found, remedy=remedy)
        return self


Config = TypeVar("Config", bound=NetworkConfig)

FILLED_IN: Mapping[str, str | None] = {
    "size": None,
    "encoder": None,
    "measure_every": None,
    "measured_rows": None,
    "max_groups": None,
    **{f"training.{name}": value for name, value in LEFT_OPEN.items()},
}
"""Options that are resolved when a run starts, with the value that means "not chosen yet"."""


def differences(requested: NetworkConfig, stored: NetworkConfig) -> str:
    """Return the names of the options in which a stored, resolved configuration differs from a new one, separated by commas.

    Example:
        >>> begun = TrainConfig(encoder="mlp", training=TrainingOptions(threads=2, max_grad_norm=1.0))
        >>> differences(TrainConfig(), begun), differences(TrainConfig(seed=1), begun)
        ('training.max_grad_norm', 'seed, training.max_grad_norm')
    """
    first, second = _flat(requested), _flat(stored)
    differs = [name for name, value in first.items() if value != second[name] and (name, value) not in FILLED_IN.items()]
    return ", ".join(name for name in differs if name not in requested.left_open)


def _flat(config: NetworkConfig) -> dict[str, Any]:
    """Return all options but those that change no result; training options are keyed as `training.name`."""
    plain = config.model_dump(mode="json", exclude={"version", "workers", "cluster", "time_limit"})
    training = plain.pop("training")
    del training["device"], training["compile"]  # a run may go on on another device, and compiled or not
    return plain | {f"training.{name}": value for name, value in training.items()}
