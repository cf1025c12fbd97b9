"""Claims of no difference that say nothing, since an arm predicts no better than without inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from polytask.verdicts.decision import UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Collection

    from polytask.verdicts.arm_verdict import TaskVerdict
    from polytask.verdicts.verdict_result import VerdictData

    VerdictT = TypeVar("VerdictT", bound="VerdictData")


def without_empty_same(verdict: VerdictT, empty: Collection[tuple[str, str]]) -> VerdictT:
    """Return the verdict in which "same" is "unclear" where an arm is no better than a predictor that ignores the inputs.

    Two arms that predict the majority class have no difference, which says nothing about sharing. The mean over tasks is unclear, too, if
    this is so for all tasks.

    Args:
        verdict: The verdict.
        empty: Pairs of arm and task for which this is so.
    """
    tasks = {name: _without(task, {arm for arm, of in empty if of == name}) for name, task in verdict.tasks.items()}
    arms = {
        name: replace(arm, pooled=replace(arm.pooled, decision=replace(arm.pooled.decision, claim=UNCLEAR)))
        if arm.pooled is not None and arm.pooled.claim == "same" and all((name, task) in empty for task in tasks)
        else arm
        for name, arm in verdict.arms.items()
    }
    return replace(verdict, tasks=tasks, arms=arms)


def _without(task: TaskVerdict, empty: Collection[str]) -> TaskVerdict:
    arms = {
        name: replace(arm, decision=replace(arm.decision, claim=UNCLEAR)) if name in empty and arm.claim == "same" else arm
        for name, arm in task.arms.items()
    }
    return replace(task, arms=arms)
