"""Signature of a training run, stored in its checkpoint and compared before the run continues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.balancing import Balancer
from polytask.data import Source, fingerprint
from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.options.training_options import LEFT_OPEN
from polytask.tasks import Task

EXCLUDED_OPTIONS = {"checkpoint_seconds", "device", "compile"}
"""Options in which a run that continues may differ; on another device or compiled, its numbers are the same up to round-off."""


@dataclass(frozen=True)
class RunSignature:
    """Everything that a run's result depends on except the network, whose compatibility is checked when its state is loaded.

    Attributes:
        options: Resolved options.
        seed: Root seed of all random streams.
        balancer: Balancer that combines the losses.
        batch_sizes: Rows per source and step of a `ProportionalSampler`; empty for other samplers.
        tasks: Tasks that are learned.
        sources: Training sources.
    """

    options: TrainingOptions
    seed: int
    balancer: Balancer
    batch_sizes: Mapping[str, int]
    tasks: Sequence[Task]
    sources: Sequence[Source]

    def to_dict(self) -> dict[str, Any]:
        """Return the signature as plain data, in the form in which it is read back from a file: lists for tuples, names for functions."""
        facts = {
            **self.options.model_dump(exclude=EXCLUDED_OPTIONS),
            "seed": self.seed,
            "balancer": type(self.balancer).__name__,
            "batch_sizes": sorted(self.batch_sizes.items()),
            "tasks": [task.to_dict() for task in self.tasks],
            "sources": sorted([source.name, fingerprint(source)] for source in self.sources),
        }
        plain: dict[str, Any] = json.loads(json.dumps(facts, default=_json_fallback))
        return plain


def restore_measured_options(options: TrainingOptions, stored: Mapping[str, Any]) -> TrainingOptions:
    """Return the options with those that are left open filled in from the signature of the run that is continued."""
    return options.with_changes(
        {name: stored.get(name, open_value) for name, open_value in LEFT_OPEN.items() if getattr(options, name) == open_value}
    )


def check_signature(now: Mapping[str, Any], stored: Mapping[str, Any], where: Path) -> None:
    """Check that a stored state belongs to this run.

    Args:
        now: Signature of this run.
        stored: Signature of the stored run.
        where: Folder of the stored state, named in the error message.

    Raises:
        ConfigError: The stored run had other options or data; the message names them.
    """
    different = [name for name in dict.fromkeys([*now, *stored]) if now.get(name) != stored.get(name)]
    if different:
        remedy = "Use another folder, or the options and data that the run was started with"
        raise ConfigError("the state belongs to another run", where=str(where), found=f"other {', '.join(different)}", remedy=remedy)


def _json_fallback(value: object) -> str:
    """Return text for a value without a JSON form: the name of a function (its `str` contains an address), else `str`."""
    return str(getattr(value, "__qualname__", value))
