"""Recommendation of an arm to ship, with its reason in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polytask.run_files import ArmCost, Recommendation
from polytask.studies.spec.arms import SINGLE, ResolvedArm
from polytask.verdicts.verdict_result import Verdict


@dataclass(frozen=True)
class RecommendationCase:
    """Inputs of a recommendation.

    Attributes:
        verdict: Verdict on the test data.
        arm: Joint arm chosen on validation data.
        tasks: Names of all tasks.
        protect: Tasks that must not become worse; empty means all tasks.
        costs: Cost per arm.
    """

    verdict: Verdict
    arm: ResolvedArm
    tasks: tuple[str, ...]
    protect: tuple[str, ...]
    costs: Mapping[str, ArmCost]

    def those(self, claim: str, among: Sequence[str] | None = None) -> list[str]:
        """Return the tasks with this claim, among all tasks by default."""
        return [task for task in among or self.tasks if self.verdict.tasks[task].arms[self.arm.name].claim == claim]

    @property
    def protected(self) -> tuple[str, ...]:
        """Tasks that must not become worse."""
        return self.protect or self.tasks

    @property
    def cheaper(self) -> bool:
        """Whether the joint arm is cheaper to predict with: no more parameters and multiply-adds, and fewer of at least one of them."""
        joint, single = self.costs[self.arm.name], self.costs[SINGLE]
        sizes = [(getattr(joint, name) or 0, getattr(single, name) or 0) for name in ("parameters", "multiply_adds")]
        return all(ours <= theirs for ours, theirs in sizes) and any(ours < theirs for ours, theirs in sizes)


def recommend(
    verdict: Verdict, chosen: ResolvedArm, tasks: Sequence[str], costs: Mapping[str, ArmCost], protect: Sequence[str] = ()
) -> Recommendation:
    """Recommend joint training if it harms no protected task and has a benefit, and separate networks otherwise.

    The first rule that applies decides:

    1. A protected task is hurt: separate.
    2. A protected task is unclear: separate, since joint training has not been shown to be harmless.
    3. A task is helped: joint. Tasks that are not protected may be hurt or unclear; the reason names them.
    4. No task is helped, but one is hurt: separate.
    5. No task is helped or hurt: joint if it is cheaper to predict with, otherwise separate.

    Args:
        verdict: Verdict on the test data.
        chosen: Joint arm chosen on validation data.
        tasks: Names of all tasks.
        costs: Cost per arm.
        protect: Tasks that must not become worse; empty means all tasks.
    """
    case = RecommendationCase(verdict, chosen, tuple(tasks), tuple(protect), costs)
    against = _if_hurt(case) or _if_unclear(case) or _if_no_gain(case)
    if against:
        return Recommendation(
            arm=SINGLE, groups=tuple((task,) for task in tasks), reason=f"Train {_join_names(tasks)} separately{against}."
        )
    return Recommendation(arm=chosen.name, groups=chosen.groups, reason=_joint_reason(case))


def _if_hurt(case: RecommendationCase) -> str:
    """Return the reason against joint training if a protected task is hurt, otherwise an empty text."""
    hurt = case.those("hurts", case.protected)
    return f": joint training ({case.arm.title}) hurts {_effects(case, hurt)}" if hurt else ""


def _if_unclear(case: RecommendationCase) -> str:
    """Return the reason against joint training if a protected task is unclear, otherwise an empty text."""
    unclear = case.those("unclear", case.protected)
    if not unclear:
        return ""
    which = "" if len(unclear) == len(case.tasks) else f" for {_join_names(unclear)}"
    return f" for now: whether joint training ({case.arm.title}) does harm or good{which} is unclear{_seeds_needed(case, unclear)}"


def _if_no_gain(case: RecommendationCase) -> str:
    """Return the reason against joint training if no task is helped and one is hurt or nothing is saved, otherwise an empty text."""
    if case.those("helps"):
        return ""
    hurt = case.those("hurts")
    if hurt:
        return f": joint training ({case.arm.title}) helps no task and hurts {_effects(case, hurt)}"
    if not case.cheaper:
        sizes = _model_sizes(case.costs[case.arm.name], case.costs[SINGLE])
        return f": joint training ({case.arm.title}) makes no difference that matters, and saves nothing ({sizes})"
    return ""


def _joint_reason(case: RecommendationCase) -> str:
    helped, same = case.those("helps"), case.those("same")
    effect = f"it helps {_effects(case, helped)}" if helped else "it makes no difference that matters"
    rest = f" and leaves {_join_names(same)} the same" if helped and same else ""
    paying = [f"{_effects(case, hurt)} pays for it" if (hurt := case.those("hurts")) else ""]
    paying += [f"what it does to {_join_names(unclear)} is unclear" if (unclear := case.those("unclear")) else ""]
    open_ = ", ".join(text for text in paying if text)
    not_protected = f"; {open_}, which is not protected" if open_ else ""
    together = _join_names(case.tasks) if len(case.arm.groups) == 1 else _join_names([" with ".join(group) for group in case.arm.groups])
    saving = _savings(case.costs[case.arm.name], case.costs[SINGLE])
    how = "together" if len(case.arm.groups) == 1 else "in groups"
    return f"Train {together} {how} ({case.arm.title}): {effect}{rest}, with {saving}{not_protected}."


def _join_names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _effects(case: RecommendationCase, tasks: Sequence[str]) -> str:
    """Return the tasks with the sizes of their changes, in the units of their metrics."""
    verdicts = {task: case.verdict.tasks[task] for task in tasks}
    return _join_names([f"{task} ({_effect_size(own.metric, own.arms[case.arm.name].difference)})" for task, own in verdicts.items()])


def _effect_size(metric: str, difference: float) -> str:
    if metric in ("accuracy", "precision", "recall", "f1"):
        return f"{100 * difference:+.2f} points of {metric}"
    return f"{metric} better by {difference:.3g}" if difference > 0 else f"{metric} worse by {-difference:.3g}"


def _seeds_needed(case: RecommendationCase, tasks: Sequence[str]) -> str:
    found = [case.verdict.tasks[task].arms[case.arm.name].decision.power for task in tasks]
    seeds = [settle.seeds for settle in found if settle is not None]
    known = [number for number in seeds if number is not None]
    return f"; about {max(known)} seeds would settle it" if known and len(known) == len(tasks) else ""


def _savings(joint: ArmCost, single: ArmCost) -> str:
    networks = f"{'one network' if joint.networks == 1 else f'{joint.networks} networks'} instead of {single.networks}"
    parameters = f"{joint.parameters:,} parameters instead of {single.parameters:,}"
    if joint.multiply_adds == single.multiply_adds:
        return f"{networks} and {parameters}; a prediction of every task costs as much as before"
    return f"{networks}, {_model_sizes(joint, single)}"


def _model_sizes(joint: ArmCost, single: ArmCost) -> str:
    parameters = f"{joint.parameters:,} parameters instead of {single.parameters:,}"
    return f"{parameters} and {joint.multiply_adds:,} multiply-adds instead of {single.multiply_adds:,}"
