"""Groups of tasks for `grouped` arms, found from affinities that are measured in a joint network before the race."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from polytask.options import NetworkConfig, RelateConfig, StudyConfig
from polytask.relatedness import group_by_affinity
from polytask.studies.affinity.affinity_networks import make_relate_networks, resolve_relate_config, train_relate_networks
from polytask.studies.affinity.affinity_results import AFFINITY_ALONE, collect_affinities
from polytask.studies.execution.job_training import JobContext, load_job_facts
from polytask.studies.execution.run_jobs import StudyProgressHook
from polytask.studies.spec.arm_titles import arm_title
from polytask.studies.spec.arms import ResolvedArm

ArmGroups = dict[str, tuple[tuple[str, ...], ...]]
"""Groups of tasks, one network each, per name of a `grouped` arm."""

MEASURE = "lookahead"

MEASURE_MORE_OFTEN = 4
"""Factor by which more steps are measured than by default: a single network that stops early has few steps."""


def measure_arm_groups(
    config: StudyConfig, arms: Sequence[ResolvedArm], context: JobContext, seed: int, folder: Path, progress: StudyProgressHook
) -> ArmGroups:
    """Partition the tasks for every `grouped` arm by the look-ahead affinities of a joint network, which is trained first.

    Args:
        config: Resolved configuration of the study.
        arms: All arms.
        context: Data and options shared by all networks.
        seed: Seed of the joint network, different from those of the tested networks.
        folder: Folder for the joint network.
        progress: Function that is called with the progress of its training.

    Returns:
        Groups per name of an arm; empty if there is no `grouped` arm.
    """
    wanted = [arm for arm in arms if arm.max_groups]
    if not wanted:
        return {}
    plain = {name: getattr(config, name) for name in NetworkConfig.model_fields}
    requested = RelateConfig(**plain, measures=(MEASURE,), seeds=(seed,))
    usual = resolve_relate_config(requested, context.sources, context.tasks)
    relate = usual.model_copy(update={"measure_every": max(1, (usual.measure_every or 1) // MEASURE_MORE_OFTEN)})
    names = [task.name for task in context.tasks]
    networks = make_relate_networks(relate, names, folder)
    train_relate_networks(networks, relate, context, progress, whole=False)
    facts = {job.label: (job, load_job_facts(job)) for job in networks.all}
    affinity = collect_affinities(relate, networks, facts, context).relations[MEASURE].mean
    return {
        arm.name: group_by_affinity(affinity, names, arm.max_groups, affinity_alone=AFFINITY_ALONE, overlap=False).networks
        for arm in wanted
    }


def resolve_grouped_arms(arms: Sequence[ResolvedArm], groups: ArmGroups) -> tuple[ResolvedArm, ...]:
    """Return the arms with their groups, leaving out `grouped` arms with all tasks in one group or one task per group.

    Another arm trains the same networks in these two cases.
    """
    known = [replace(arm, groups=groups[arm.name]) if arm.max_groups else arm for arm in arms]
    return tuple(arm for arm in known if not arm.max_groups or 1 < len(arm.groups) < sum(map(len, arm.groups)))


def describe_groups(groups: ArmGroups, arms: Sequence[ResolvedArm]) -> Iterator[str]:
    """Yield a sentence per `grouped` arm: its groups, and why it was left out if it was."""
    for name, own in groups.items():
        listed = "; ".join(" with ".join(group) for group in own)
        left = "" if name in {arm.name for arm in arms} else " (left out, since another arm trains the same networks)"
        yield f"{arm_title(name)}, by the affinities of a joint run: {listed}{left}."
