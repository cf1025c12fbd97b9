"""Recommendation of an arm to ship: the advice of the verdict, with what the study knows about costs and stakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from polytask.options.verdict_options.tolerance import DEFAULT_TOLERANCE
from polytask.run_files import ArmCost, Recommendation
from polytask.studies.spec.arms import SINGLE, ResolvedArm
from polytask.studies.tables.ship_advice import IN_FOLDER
from polytask.verdicts.advice import advise, saved_share
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.shown.advice_sentences import Circumstances, RecommendedArm, advice_sentences

FINISHED = f"Nothing is left to test: {IN_FOLDER}"


def advise_study(
    verdict: Verdict,
    chosen: ResolvedArm,
    costs: Mapping[str, ArmCost],
    protect: Sequence[str] = (),
    tolerate: float | str = DEFAULT_TOLERANCE,
) -> RecommendedArm:
    """Advise on the chosen arm of a study.

    Args:
        verdict: Verdict on the test data.
        chosen: Joint arm chosen on validation data.
        costs: Cost per arm.
        protect: Tasks that must not lose more than is tolerated.
        tolerate: What one network instead of one per task is worth, per task.
    """
    joint, single = costs[chosen.name], costs[SINGLE]
    saved = saved_share(len(verdict.tasks), len(chosen.groups)) if is_cheaper(joint, single) else 0.0
    advice = advise(verdict, saved=saved, protect=protect, tolerate=tolerate)
    return RecommendedArm(advice, advice_sentences(advice, verdict, circumstances(chosen, costs)))


def circumstances(chosen: ResolvedArm, costs: Mapping[str, ArmCost]) -> Circumstances:
    """Return what a study knows about the joint arm beside its verdict."""
    return Circumstances(chosen.groups, costs[chosen.name], costs[SINGLE], FINISHED)


def is_cheaper(joint: ArmCost, single: ArmCost) -> bool:
    """Return whether the joint arm is cheaper to predict with: no more parameters and multiply-adds, and fewer of at least one of them.

    What a training function makes has no known size: there, fewer models are cheaper, as in a verdict on predictions only.
    """
    if joint.parameters is None and single.parameters is None:
        return joint.networks < single.networks
    sizes = [(getattr(joint, name) or 0, getattr(single, name) or 0) for name in ("parameters", "multiply_adds")]
    return all(ours <= theirs for ours, theirs in sizes) and any(ours < theirs for ours, theirs in sizes)


def recommendation_record(
    found: RecommendedArm, groups: tuple[tuple[str, ...], ...], tasks: Sequence[str], baseline: str = SINGLE
) -> Recommendation:
    """Return the advice as the section of verdict.json. It holds no time and no path, so that a repeated study writes the same bytes.

    Args:
        found: The advice.
        groups: Tasks of each joint network; empty if they are not known.
        tasks: All tasks.
        baseline: Arm with one network per task.
    """
    advice, said = found.advice, found.sentences
    return Recommendation(
        arm=advice.arm if advice.together else baseline,
        groups=groups if advice.together else tuple((task,) for task in tasks),
        level=advice.level,
        headline=said.headline,
        risk=said.risk,
        cost=said.cost,
        next_step=said.next_step,
        more_seeds=said.more_seeds,
        utility=advice.utility,
        saving=advice.saving,
        tolerate=advice.tolerance.option,
        worst=dict(advice.worst),
        reason=f"{said.headline} {said.risk}",
    )
