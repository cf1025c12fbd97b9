"""Comparison of arms at equal numbers of updates and at equal seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from polytask.studies.execution.job_training import Job

ArmFacts = Sequence[tuple[Job, Mapping[str, Any]]]


def equal_time_comparison(arms: Mapping[str, ArmFacts]) -> dict[str, Any]:
    """Compare the best relative validation metric of every arm, averaged over tasks and seeds.

    Equal updates: with the whole budget, which offers all arms the same updates. Equal seconds: within the time of the fastest arm; the
    networks of an arm share this time in proportion to their own times. No claim is based on this comparison: it uses validation data,
    and seconds were measured while other networks trained in parallel.

    Args:
        arms: Networks over all seeds with their recorded facts, per arm.

    Returns:
        Values per arm under `equal_updates` and `equal_seconds`, for arms with recorded times; empty if there are none.
    """
    timed = {arm: facts for arm, facts in arms.items() if facts and all(fact["measured"].get("timeline") for _, fact in facts)}
    if not timed:
        return {}
    seconds = min(_seconds_per_seed(facts) for facts in timed.values())
    return {
        "equal_updates": {arm: _best_within(facts, float("inf")) for arm, facts in timed.items()},
        "equal_seconds": {"seconds": round(seconds, 3), "arms": {arm: _best_within(facts, seconds) for arm, facts in timed.items()}},
    }


def _seconds_per_seed(facts: ArmFacts) -> float:
    """Return the seconds of all networks of a seed together, averaged over seeds."""
    return sum(float(fact["measured"]["seconds"]) for _, fact in facts) / len({job.seed for job, _ in facts})


def _best_within(facts: ArmFacts, seconds: float) -> float:
    """Return the best metric within this many seconds per seed, averaged over seeds and tasks; 0 before the first epoch."""
    seeds = dict.fromkeys(job.seed for job, _ in facts)
    return fmean(_best_of_seed([(job, fact) for job, fact in facts if job.seed == seed], seconds) for seed in seeds)


def _best_of_seed(facts: ArmFacts, seconds: float) -> float:
    whole = sum(float(fact["measured"]["seconds"]) for _, fact in facts)
    tasks = sum(len(job.tasks) for job, _ in facts)
    total = 0.0
    for job, fact in facts:
        share = float(fact["measured"]["seconds"]) * (seconds / whole if whole else float("inf"))
        seen = [relative for spent, relative in fact["measured"]["timeline"] if spent <= share]
        total += max(seen, default=0.0) * len(job.tasks)
    return total / tasks
