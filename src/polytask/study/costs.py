"""What each arm costs: a part of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from polytask.study.jobs import Job

NOTE = (
    "Parameters and multiply-adds are those of all networks that an arm needs to predict every task once (one input per source). "
    "Seconds, steps, rows and epochs are what one seed used, averaged over seeds; seconds and memory were taken while other "
    "networks trained side by side on the same machine. Peak memory is that of the largest process, sampled."
)


@dataclass(frozen=True)
class ArmCost:
    """The cost of one arm.

    Attributes:
        networks: How many it takes to predict every task.
        parameters: Of all of them.
        multiply_adds: For one prediction of every task.
        seconds: Of training, per seed.
        steps: Per seed.
        rows: Seen while training, per seed.
        epochs: Used per network.
        peak_memory_bytes: Of the largest training process.
    """

    networks: int
    parameters: int
    multiply_adds: int
    seconds: float
    steps: float
    rows: float
    epochs: float
    peak_memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def cost_of_arm(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> ArmCost:
    """The cost of an arm, from what its networks (over all seeds) told."""
    seeds = {job.seed for job, _ in facts}
    one = [fact for job, fact in facts if job.seed == min(seeds)]

    def per_seed(section: str, name: str) -> float:
        return sum(float(fact[section][name]) for _, fact in facts) / len(seeds)

    return ArmCost(
        networks=len(one),
        parameters=sum(fact["cost"]["parameters"] for fact in one),
        multiply_adds=sum(fact["cost"]["multiply_adds"] for fact in one),
        seconds=round(per_seed("measured", "seconds"), 3),
        steps=per_seed("used", "steps"),
        rows=per_seed("used", "rows"),
        epochs=mean(fact["used"]["epochs"] for _, fact in facts),
        peak_memory_bytes=max(fact["measured"]["peak_memory"] for _, fact in facts),
    )
