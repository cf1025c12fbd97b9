"""Checks of the arguments of `fit`, so that a wrong one is named before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

import torch

from polytask.architectures import ModuleNetwork, Network
from polytask.balancing import Balancer, Representations
from polytask.data import Source
from polytask.data.input_entries import sample_of
from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.registry.resolve import described


def check_fit_arguments(seed: object, progress: object, stop_after_epoch: object, options: object) -> None:
    """Check the arguments of `fit` that are no parts of the network.

    Raises:
        ConfigError: `seed` is no integer, `progress` no function or `None`, `stop_after_epoch` no integer from 1 up or `None`, or
            `options` no `TrainingOptions` or `None`.
    """
    if whole_number(seed) is None:
        raise ConfigError("an integer is needed", where="seed", found=described(seed))
    if progress is not None and not callable(progress):
        raise ConfigError("a function is needed that takes the progress", where="progress", found=described(progress))
    last = 1 if stop_after_epoch is None else whole_number(stop_after_epoch)
    if last is None or last < 1:
        raise ConfigError("an epoch from 1 up is needed, or None", where="stop_after_epoch", found=described(stop_after_epoch))
    if options is not None and not isinstance(options, TrainingOptions):
        remedy = "Write options=TrainingOptions(…), or pass its fields by name"
        raise ConfigError("an object of class TrainingOptions is needed", where="options", found=described(options), remedy=remedy)


def checkpoint_folder(given: object) -> Path | None:
    """Return the folder of checkpoints, which may be given as a text; `None` if there is none.

    Raises:
        ConfigError: `given` is neither a text that is not empty, nor a path, nor `None`, or it is a file.

    Example:
        >>> checkpoint_folder("runs/first").name
        'first'
    """
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike) or not str(given):
        raise ConfigError("a folder is needed, or None", where="checkpoint", found=described(given))
    if Path(given).is_file():
        raise ConfigError("a folder is needed, or None", where="checkpoint", found=f"the file {given}")
    return Path(given)


def check_network(model: Network, sources: Sequence[Source]) -> None:
    """Check that a network has parameters that can be trained on these inputs.

    Raises:
        ConfigError: A parameter has no values or is not float32, or the inputs of a source have another number of features than the
            encoder takes.
    """
    for name, parameter in model.named_parameters():
        if parameter.is_meta or parameter.dtype != torch.float32:
            found = f"{name}, on the device meta" if parameter.is_meta else f"{name}, {parameter.dtype}"
            remedy = "Precision is an option of its own: precision='bfloat16'"
            raise ConfigError("parameters must be float32 and have values", where="model", found=found, remedy=remedy)
    named = {task.name for task in model.tasks}
    for source in sources:
        if not named & set(source.tasks):
            continue  # not an input of this network
        if source.has_entries:
            check_takes_entries(model, source)
            continue
        if sample_of(source.inputs).dtype.kind not in "fiub":
            continue  # refused with the place of the value
        taken = model.input_shape_of(source.name)
        if taken is not None and len(taken) == 1 and len(source.input_shape) == 1 and source.input_shape != taken:
            found = f"{source.input_shape[0]} in source {source.name!r}"
            raise ConfigError(f"inputs of {taken[0]} features are needed", where="model", found=found)


def check_takes_entries(model: Network | None, source: Source) -> None:
    """Check that a network takes the inputs of a source, if they are several by name.

    Args:
        model: Network; `None` is one that polytask makes.
        source: Source of the inputs.

    Raises:
        ConfigError: They are, and the network is not a module of the user.
    """
    if source.has_entries and not isinstance(model, ModuleNetwork):
        found, remedy = f"entries {', '.join(source.input_shape)}", "Give a network of your own, model=make, or inputs in one array"
        raise ConfigError("encoders take inputs in one array", where=f"source {source.name!r}", found=found, remedy=remedy)


def check_batch_sizes(given: Any, sources: Mapping[str, int], unlabeled: Sequence[str] = ()) -> None:  # noqa: ANN401 - whatever the user gives
    """Check that there is a batch size for every source with labels, and none for a source that was not given.

    Args:
        given: Batch sizes by source.
        sources: Rows by source with labels of the tasks.
        unlabeled: Sources that were given without labels of the tasks. Their batch sizes are not needed, and have no effect.

    Raises:
        ConfigError: `given` is no mapping, a batch size is missing or no integer from 1 up, or no source of that name was given.
    """
    if not isinstance(given, Mapping):
        remedy = "Write batch_sizes={'source': rows}"
        raise ConfigError("a batch size per source is needed", where="batch_sizes", found=described(given), remedy=remedy)
    for name in (*sources, *given):
        size, where = whole_number(given.get(name)), f"batch_sizes, source {name!r}"
        if name not in sources and name not in unlabeled:
            raise ConfigError("there is no such source", where=where, remedy=f"Sources: {', '.join((*sources, *unlabeled))}")
        if size is None or size < 1:
            found = None if name not in given else described(given[name])
            raise ConfigError("every source must have a batch size of at least 1", where=where, found=found)


def whole_number(value: Any) -> int | None:  # noqa: ANN401 - whatever the user gives
    """Return an integer of any type as an int, and `None` for everything else."""
    try:
        return index(value)
    except TypeError:
        return None


def check_balancer(balancer: Balancer, options: TrainingOptions) -> None:
    """Raise an error for a balancer that does not support gradual unfreezing or micro-batches if the options use them."""
    if options.unfreeze and balancer.remembers_gradients:
        remedy, found = "Use another balancer, or do not unfreeze parameters", type(balancer).__name__
        raise ConfigError("this balancer remembers the gradients of all parameters", where="unfreeze", found=found, remedy=remedy)
    if options.micro_batches > 1 and isinstance(balancer.needs(), Representations):
        remedy = "Leave micro_batches at 1, or use another balancer"
        raise ConfigError("this balancer needs a whole step at once", where="micro_batches", found=options.micro_batches, remedy=remedy)


def check_tells_features(model: Network, balancer: Balancer, options: TrainingOptions) -> None:
    """Raise an error for a balancer or a route that works on the inputs of the heads if the network does not tell them."""
    if model.tells_features:
        return
    what = "a network of your own does not tell the inputs of its heads, which this needs"
    if isinstance(balancer.needs(), Representations):
        raise ConfigError(what, where="balancer", found=type(balancer).__name__, remedy="Choose another balancer")
    if options.gradient_route != "sequential":
        raise ConfigError(what, where="gradient_route", found=options.gradient_route, remedy="Leave it at sequential")
