"""What makes a training run this one and no other: kept in its state, and compared before it goes on."""

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

EXCLUDED_OPTION = "checkpoint_seconds"


@dataclass(frozen=True)
class RunSignature:
    """What a run's result depends on, beside the network: that fits its state, or does not.

    Attributes:
        options: Resolved.
        seed: Root of all random streams.
        balancer: What the losses are combined with.
        batch_sizes: Rows per source and step; none where the options say how sources are sampled.
        tasks: What is learned.
        sources: What it is learned from.
    """

    options: TrainingOptions
    seed: int
    balancer: Balancer
    batch_sizes: Mapping[str, int]
    tasks: Sequence[Task]
    sources: Sequence[Source]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it is read back from a file: lists for tuples, names for functions."""
        facts = {
            **self.options.model_dump(exclude={EXCLUDED_OPTION}),
            "seed": self.seed,
            "balancer": type(self.balancer).__name__,
            "batch_sizes": sorted(self.batch_sizes.items()),
            "tasks": [task.to_dict() for task in self.tasks],
            "sources": sorted([source.name, fingerprint(source)] for source in self.sources),
        }
        plain: dict[str, Any] = json.loads(json.dumps(facts, default=_json_fallback))
        return plain


def restore_measured_options(options: TrainingOptions, stored: Mapping[str, Any]) -> TrainingOptions:
    """The options with what they leave open as it was measured when the run began."""
    return options.model_copy(
        update={name: stored.get(name, open_value) for name, open_value in LEFT_OPEN.items() if getattr(options, name) == open_value}
    )


def check_signature(now: Mapping[str, Any], stored: Mapping[str, Any], where: Path) -> None:
    """Refuse to go on with the state of another run.

    Raises:
        ConfigError: It had other options, data, …; the message names them.
    """
    different = [name for name in dict.fromkeys([*now, *stored]) if now.get(name) != stored.get(name)]
    if different:
        remedy = "Take another folder, or what it was started with"
        raise ConfigError("the state belongs to another run", where=str(where), found=f"other {', '.join(different)}", remedy=remedy)


def _json_fallback(value: object) -> str:
    """What has no form in JSON: a number of NumPy as its text, a function by its name, since its text has an address."""
    return str(getattr(value, "__qualname__", value))
