"""Relatedness matrices from trained networks, their cost, and the groups of tasks that follow from them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from polytask.options import RelateConfig
from polytask.options.measurements.relate_config import IN_THE_JOINT_RUN
from polytask.relatedness.affinity_callback import GRADIENTS_KEY
from polytask.relatedness.feature_similarity import feature_similarities
from polytask.relatedness.grouping import Grouping, group_by_affinity
from polytask.relatedness.relatedness_matrix import RelatednessMatrix, matrix_from_lists
from polytask.run_files import CostFile, MeasureCost
from polytask.studies.affinity.affinity_networks import RelateNetworks
from polytask.studies.execution.job_training import Job, JobContext, load_job_network
from polytask.studies.results.arm_cost import COST_NOTE, arm_cost
from polytask.training.hardware import torch_threads
from polytask.training.preparation.prepared_data import split_source

RELATION_COLUMNS = ["seed", "measure", "source", "target", "value"]
GROUPING_MEASURES = ("lookahead", "transfer", "cosine")
"""Measures that groups can be made from; the first of them that was measured is used."""

AFFINITY_ALONE = 0.0
"""Affinity of a task that is trained alone: a task that all others hurt (negative affinity) stays alone."""

Facts = Mapping[str, tuple[Job, Mapping[str, Any]]]
"""Networks with their recorded facts, by label."""


@dataclass(frozen=True)
class AffinityResults:
    """Measured affinities and the time that they took.

    Attributes:
        relations: Matrices over seeds, per measure.
        seconds: Seconds per seed, per measure.
        shares: Seconds of each measure of the joint run as a fraction of the training time without measuring.
        total_share: Seconds of all measures of the joint run together as such a fraction; `None` if there was no joint run.
    """

    relations: Mapping[str, RelatednessMatrix]
    seconds: Mapping[str, float]
    shares: Mapping[str, float]
    total_share: float | None


def collect_affinities(config: RelateConfig, networks: RelateNetworks, facts: Facts, context: JobContext) -> AffinityResults:
    """Collect the matrices of every measure, and their cost.

    Args:
        config: Resolved configuration.
        networks: Trained networks.
        facts: Networks with their recorded facts, by label.
        context: Data and options shared by all networks.
    """
    names = [task.name for task in context.tasks]
    relations: dict[str, RelatednessMatrix] = {}
    seconds: dict[str, float] = {}
    spent = {arm: _training_seconds(jobs, facts) for arm, jobs in (("single", networks.single), ("transfer", networks.transfer))}
    observed = {job.seed: facts[job.label][1]["observed"] for job in networks.joint}
    for measure in config.measures:
        started = time.perf_counter()
        if measure in IN_THE_JOINT_RUN:
            relations[measure] = matrix_from_lists(names, {seed: own["means"][measure]["mean"] for seed, own in observed.items()})
            seconds[measure] = fmean(own["seconds"][GRADIENTS_KEY] + own["seconds"][measure] for own in observed.values())
        elif measure == "transfer":
            relations[measure] = matrix_from_lists(names, _transfer_gains(names, networks, facts))
            seconds[measure] = (spent["single"] + spent["transfer"]) / len(config.seeds)
        else:
            relations[measure] = _feature_similarities(names, config, networks, context)
            seconds[measure] = (spent["single"] + time.perf_counter() - started) / len(config.seeds)
    measuring = sum(sum(own["seconds"].values()) for own in observed.values())
    plain = _training_seconds(networks.joint, facts) - measuring
    shares: dict[str, float] = {name: seconds[name] * len(observed) / plain for name in IN_THE_JOINT_RUN if name in relations and plain > 0}
    return AffinityResults(relations, seconds, shares, measuring / plain if plain > 0 else None)


def _training_seconds(jobs: Sequence[Job], facts: Facts) -> float:
    return sum(float(facts[job.label][1]["measured"]["seconds"]) for job in jobs)


def _transfer_gains(names: Sequence[str], networks: RelateNetworks, facts: Facts) -> dict[int, list[list[float | None]]]:
    """Compute transfer gains (T, T) per seed.

    The gain is the relative validation metric of the column's task after a start from the row's network, minus that after a fresh start;
    `None` on the diagonal.
    """
    fresh = {(job.seed, job.tasks[0]): float(facts[job.label][1]["relative"]) for job in networks.single}
    gained = {
        (job.seed, job.arm.name, job.tasks[0]): float(facts[job.label][1]["relative"]) - fresh[job.seed, job.tasks[0]]
        for job in networks.transfer
    }
    seeds = dict.fromkeys(job.seed for job in networks.transfer)
    return {seed: [[gained.get((seed, f"transfer from {source}", target)) for target in names] for source in names] for seed in seeds}


def _feature_similarities(names: Sequence[str], config: RelateConfig, networks: RelateNetworks, context: JobContext) -> RelatednessMatrix:
    """Compute similarities of features on the validation rows of each seed, which no network of that seed was trained on."""
    matrices = []
    with torch_threads(config.training.threads):
        for seed in config.seeds:
            trained = {job.tasks[0]: load_job_network(job, context) for job in networks.single if job.seed == seed}
            share = float(config.training.validation_fraction or 0)
            held_out = [source.take(split_source(source, share, seed)[1]) for source in context.sources]
            matrices.append(feature_similarities({name: trained[name] for name in names}, held_out))
    return RelatednessMatrix(tuple(names), tuple(config.seeds), np.stack(matrices))


def propose_grouping(relations: Mapping[str, RelatednessMatrix], max_groups: int) -> tuple[str | None, Grouping | None]:
    """Propose groups of tasks.

    Args:
        relations: Matrices over seeds, per measure.
        max_groups: Largest number of networks.

    Returns:
        The measure that groups are made from, `None` if none of `GROUPING_MEASURES` was measured; and the groups, `None` if there is no
        such measure or if it is not known for every pair of tasks.
    """
    by = next((measure for measure in GROUPING_MEASURES if measure in relations), None)
    if by is None:
        return None, None
    names, mean = relations[by].names, relations[by].mean
    known = np.isfinite(mean) | np.eye(len(names), dtype=bool)
    return by, group_by_affinity(mean, names, max_groups, affinity_alone=AFFINITY_ALONE) if known.all() else None


def affinity_rows(relations: Mapping[str, RelatednessMatrix]) -> pd.DataFrame:
    """Return a tidy table with the columns seed, measure, source, target, value."""
    rows = [(seed, measure, source, target, value) for measure, own in relations.items() for seed, source, target, value in own.rows()]
    return pd.DataFrame(rows, columns=RELATION_COLUMNS)


def relate_cost_file(found: AffinityResults, facts: Facts) -> CostFile:
    """Return the content of cost.json: costs per kind of network, and per measure."""
    of_arm: dict[str, list[tuple[Job, Mapping[str, Any]]]] = {}
    for job, fact in facts.values():
        of_arm.setdefault(job.arm.name, []).append((job, fact))
    measures = {
        name: MeasureCost(seconds=round(own, 3), share_of_joint_training=round(found.shares[name], 4) if name in found.shares else None)
        for name, own in found.seconds.items()
    }
    note = (
        "Seconds of a measure are those of one seed: in the joint run those of measuring alone (cosines and look-ahead share their "
        "gradients, which count for both), for transfer and similarity those of all networks that they need. The share is relative to "
        "joint training without measuring."
    )
    return CostFile(
        arms={arm: arm_cost(own) for arm, own in of_arm.items()},
        measures=measures,
        share_of_joint_training=None if found.total_share is None else round(found.total_share, 4),
        note=f"{note} {COST_NOTE}",
    )
