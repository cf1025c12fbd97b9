"""Adapt the modules of a network that learn from inputs alone, before training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polytask.architectures import Network
from polytask.encoders import SupportsAdapt
from polytask.errors import ConfigError
from polytask.training.preparation.prepared_data import PreparedData, PreparedSource

MAX_ADAPT_ROWS = 200_000
"""Maximum number of training rows, evenly spaced, for modules that adapt to inputs; quantiles do not need more."""


def adapt_to_inputs(model: Network, data: PreparedData) -> None:
    """Adapt the modules of a network that learn from inputs alone to the training rows, which are read only if there are such modules."""
    sources: dict[nn.Module, list[str]] = {}
    for name in data.training:
        sources.setdefault(model.input_module(name), []).append(name)
    for module, names in sources.items():
        _adapt_module(module, data, names)


def _adapt_module(module: nn.Module, data: PreparedData, sources: Sequence[str]) -> None:
    learners = [part for part in module.modules() if isinstance(part, SupportsAdapt)]
    if learners:
        if any(data.training[name].rows.normalization.entries for name in sources):
            found, remedy = type(learners[0]).__name__, "Leave such modules out, or give inputs in one array"
            raise ConfigError("modules that adapt to inputs take them in one array", where="model", found=found, remedy=remedy)
        rows = torch.cat([_evenly_spaced_inputs(data.training[name]) for name in sources])
        for learner in learners:
            learner.adapt(rows)


def _evenly_spaced_inputs(source: PreparedSource) -> Tensor:
    """Return the normalized inputs of at most `MAX_ADAPT_ROWS` evenly spaced rows."""
    inputs: Tensor = source.rows.normalization(source.rows.take(torch.arange(0, len(source), -(-len(source) // MAX_ADAPT_ROWS))).inputs)
    return inputs
