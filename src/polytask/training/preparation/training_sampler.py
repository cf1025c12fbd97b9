"""Sampler of the training rows, and the smallest number of rows of a source that a step may have."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from polytask.balancing import Balancer
from polytask.data import ProportionalSampler, RepeatedRowsSampler, Sampler, ShuffleBufferSampler, make_sampler, proportional_batch_sizes
from polytask.encoders.evaluation_mode import training_modes
from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.training.preparation.fit_checks import check_batch_sizes
from polytask.training.preparation.prepared_data import PreparedData

ROWS_PER_READ = 4_096
"""Number of consecutive rows that are read at once if the inputs are in a file."""


def make_training_sampler(data: PreparedData, batch_sizes: Mapping[str, int] | None, options: TrainingOptions) -> Sampler:
    """Return the sampler of the training rows that the options ask for.

    Args:
        data: Prepared data.
        batch_sizes: Rows per source and step for proportional sampling; `None` divides `batch_size` in proportion to the sources.
        options: Training options.

    Raises:
        ConfigError: There is no such sampler, or a batch size is missing or below 1.
    """
    rows = {name: source.epoch_rows or len(source) for name, source in data.training.items()}
    sampler = _make_sampler(data, rows, batch_sizes, options)
    kept = {name: len(source) for name, source in data.training.items()}
    return sampler if kept == rows else RepeatedRowsSampler(sampler, kept)


def _make_sampler(data: PreparedData, rows: dict[str, int], batch_sizes: Mapping[str, int] | None, options: TrainingOptions) -> Sampler:
    """Return the sampler of the options for sources with this number of rows per epoch."""
    sizes = None if batch_sizes is None else _checked_sizes(data, rows, batch_sizes, options)
    if (
        options.sampling == "proportional"
        and options.steps_per_epoch is None
        and any(source.memory_mapped for source in data.training.values())
    ):
        sizes = sizes or proportional_batch_sizes(rows, options.batch_size)
        return ShuffleBufferSampler(rows, sizes, block=min(ROWS_PER_READ, options.shuffle_buffer), buffer=options.shuffle_buffer)
    if sizes is None:
        return make_sampler(options.sampling, rows, options.batch_size, options.steps_per_epoch, options.temperature)
    return ProportionalSampler(rows, sizes, options.steps_per_epoch)


def _checked_sizes(data: PreparedData, rows: Mapping[str, int], batch_sizes: Mapping[str, int], options: TrainingOptions) -> dict[str, int]:
    if options.sampling != "proportional":
        what, remedy = "batch sizes per source require proportional sampling", "Omit batch_sizes, or use proportional sampling"
        raise ConfigError(what, where="batch_sizes", found=options.sampling, remedy=remedy)
    check_batch_sizes(batch_sizes, rows, data.unlabeled)
    return {name: batch_sizes[name] for name in rows}


def minimum_rows(model: nn.Module, balancer: Balancer | None = None) -> int:
    """Return the smallest number of rows of a source in a step: 2 per forward pass if the network mixes rows, otherwise 1.

    Batch normalization mixes rows in training mode, and has no variance for a single row. A balancer that compares several batches needs
    two rows in each of them.

    Args:
        model: Network to train.
        balancer: Balancer of the training; `None` is one that takes a single batch.
    """
    with training_modes(model):
        model.train()
        mixes = any(isinstance(module, _BatchNorm) and module.training for module in model.modules())
    return 2 * (1 if balancer is None else balancer.batches) if mixes else 1


def check_rows(sampler: Sampler, data: PreparedData, least: int, seed: int) -> int:
    """Return `least` after checking that the first epoch can have steps with that many rows of every source of which it has rows.

    Args:
        sampler: Sampler of the training rows.
        data: Prepared data.
        least: Smallest number of rows of a source in a step.
        seed: Seed of the order of rows.

    Raises:
        ConfigError: A source has too few rows.
    """
    if least < 2:
        return least
    counts = dict.fromkeys(data.training, 0)
    for step in sampler.epoch(0, seed):
        counts.update({source: counts[source] + len(rows) for source, rows in step.items()})
        if min(counts.values()) >= least:
            break
    what = "a network with batch normalization needs several rows of every source in a step"
    for source, rows in counts.items():
        if len(data.training[source]) < 2:
            remedy, found = "Add rows, or choose a network without batch normalization", f"{len(data.training[source])} training row"
            raise ConfigError(f"{what}, here 2", where=f"source {source!r}", found=found, remedy=remedy)
        if 0 < rows < least:
            remedy, found = "Add rows, or raise steps_per_epoch", f"{rows} in an epoch"
            raise ConfigError(f"{what}, here {least}", where=f"source {source!r}", found=found, remedy=remedy)
    return least
