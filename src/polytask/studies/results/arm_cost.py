"""Cost of an arm: parameters, multiply-adds, seconds and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from polytask.studies.execution.jobs import Job

COST_NOTE = (
    "Parameters and multiply-adds are those of all networks that an arm needs to predict every task once (one input per source); "
    "shared parameters are those that several tasks use, and saved multiply-adds those that predicting the tasks one by one would add. "
    "Seconds, steps, rows and epochs are those of one seed, averaged over seeds; seconds and memory were measured while other "
    "networks trained in parallel on the same machine. Peak memory is that of the largest process, sampled."
)


@dataclass(frozen=True)
class ArmCost:
    """Cost of one arm.

    The four counts of parameters and multiply-adds are `None` for trees.

    Attributes:
        networks: Number of networks needed to predict every task.
        parameters: Number of parameters of all these networks.
        multiply_adds: Multiply-adds to predict every task once.
        shared_parameters: Number of parameters that several tasks use.
        saved_multiply_adds: Additional multiply-adds that predicting the tasks one by one would take.
        seconds: Seconds of training per seed.
        steps: Training steps per seed.
        rows: Training rows processed per seed.
        epochs: Epochs per network, averaged over networks.
        peak_memory_bytes: Peak memory of the largest training process in bytes.
    """

    networks: int
    parameters: int | None
    multiply_adds: int | None
    shared_parameters: int | None
    saved_multiply_adds: int | None
    seconds: float
    steps: float
    rows: float
    epochs: float
    peak_memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain data."""
        return asdict(self)


def arm_cost(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> ArmCost:
    """Compute the cost of an arm from the recorded facts of its networks over all seeds."""
    seeds = {job.seed for job, _ in facts}
    one = [fact for job, fact in facts if job.seed == min(seeds)]

    def per_seed(section: str, name: str) -> float:
        return sum(float(fact[section][name]) for _, fact in facts) / len(seeds)

    def size(name: str) -> int | None:
        return sum(fact["cost"][name] for fact in one) if all("cost" in fact for fact in one) else None

    return ArmCost(
        networks=len(one),
        **{name: size(name) for name in ("parameters", "multiply_adds", "shared_parameters", "saved_multiply_adds")},
        seconds=round(per_seed("measured", "seconds"), 3),
        steps=per_seed("used", "steps"),
        rows=per_seed("used", "rows"),
        epochs=mean(fact["used"]["epochs"] for _, fact in facts),
        peak_memory_bytes=max(fact["measured"]["peak_memory"] for _, fact in facts),
    )


def arm_network_parts(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    """Return the parts of an arm's network and the tasks that share them; empty for arms with several networks.

    All seeds have the same parts; those of the smallest seed are returned.
    """
    first = [fact for job, fact in facts if job.seed == min(job.seed for job, _ in facts)]
    return list(first[0].get("parts", ())) if len(first) == 1 else []
