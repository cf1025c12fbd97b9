"""Arms of groups: which tasks they train together, from affinities that are measured in a joint run before the race."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from polytask.options import NetworkConfig, RelateConfig, StudyConfig
from polytask.relatedness import group_by_affinity
from polytask.study.arms import Arm
from polytask.study.jobs import Assignment, facts_of
from polytask.study.relate_findings import NOT_ALONE, findings
from polytask.study.relate_networks import filled_in, networks_of, train_networks
from polytask.study.running import Watch

Groups = dict[str, tuple[tuple[str, ...], ...]]

MEASURE = "lookahead"

DENSER = 4
"""How many times more steps are measured than usually: one network that stops when it has converged has few of them."""


def groups_of(config: StudyConfig, arms: Sequence[Arm], assigned: Assignment, seed: int, folder: Path, watch: Watch) -> Groups:
    """Per name of an arm of groups its groups: a partition of the tasks by the look-ahead affinities of a joint network.

    Args:
        config: Of the study, resolved.
        arms: All arms.
        assigned: What all networks have in common.
        seed: Of the joint network, which no network that is tested has.
        folder: Where it goes.
        watch: Is told how far it is.
    """
    wanted = [arm for arm in arms if arm.most_groups]
    if not wanted:
        return {}
    plain = {name: getattr(config, name) for name in NetworkConfig.model_fields}
    asked = RelateConfig(**plain, measures=(MEASURE,), seeds=(seed,))
    usual = filled_in(asked, assigned.sources, assigned.tasks)
    relate = usual.model_copy(update={"every": max(1, (usual.every or 1) // DENSER)})
    names = [task.name for task in assigned.tasks]
    networks = networks_of(relate, names, folder)
    train_networks(networks, relate, assigned, watch, whole=False)
    facts = {job.label: (job, facts_of(job)) for job in networks.all}
    affinity = findings(relate, networks, facts, assigned).relations[MEASURE].mean
    return {arm.name: group_by_affinity(affinity, names, arm.most_groups, alone=NOT_ALONE, overlap=False).networks for arm in wanted}


def grouped(arms: Sequence[Arm], groups: Groups) -> tuple[Arm, ...]:
    """The arms with their groups; those whose groups are all tasks, or each alone, are another arm already and are left out."""
    known = [replace(arm, groups=groups[arm.name]) if arm.most_groups else arm for arm in arms]
    return tuple(arm for arm in known if not arm.most_groups or 1 < len(arm.groups) < sum(map(len, arm.groups)))


def described(groups: Groups, arms: Sequence[Arm]) -> Iterator[str]:
    """A sentence per arm of groups: what they are, or why it was left out."""
    for name, own in groups.items():
        said = "; ".join(" with ".join(group) for group in own)
        left = "" if name in {arm.name for arm in arms} else ": no arm of its own, and left out"
        yield f"{name}, by the affinities of a joint run: {said}{left}."
