"""Cost of an arm: parameters, multiply-adds, seconds and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from polytask.run_files import ArmCost
from polytask.studies.execution.job_training import Job

COST_NOTE = (
    "Parameters and multiply-adds are those of all networks that an arm needs to predict every task once (one input per source); "
    "shared parameters are those that several tasks use, and saved multiply-adds those that predicting the tasks one by one would add. "
    "Seconds, steps, rows and epochs are those of one seed, averaged over seeds; seconds and memory were measured while other "
    "networks trained in parallel on the same machine. Peak memory is that of the largest process, sampled."
)


def arm_cost(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> ArmCost:
    """Compute the cost of an arm from the recorded facts of its networks over all seeds."""
    seeds = {job.seed for job, _ in facts}
    one = [fact for job, fact in facts if job.seed == min(seeds)]

    def per_seed(section: str, name: str) -> float:
        return sum(float(fact[section][name]) for _, fact in facts) / len(seeds)

    def counted(name: str) -> float:
        return sum(float(fact["used"].get(name, 0)) for _, fact in facts) / len(seeds)  # baselines have no counters

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
        unsolved_steps=counted("unsolved_steps"),
        non_finite_steps=counted("non_finite_steps"),
    )


def arm_network_parts(facts: Sequence[tuple[Job, Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    """Return the parts of an arm's network and the tasks that share them; empty for arms with several networks.

    All seeds have the same parts; those of the smallest seed are returned.
    """
    first = [fact for job, fact in facts if job.seed == min(job.seed for job, _ in facts)]
    return list(first[0].get("parts", ())) if len(first) == 1 else []
