"""Arms with many steps without a solution, or with values that are not finite: warnings, and no recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from polytask.options import TrainingOptions
from polytask.run_files import ArmCost, Recommendation
from polytask.studies.spec.arms import SINGLE, ResolvedArm
from polytask.training.step_troubles import StepTroubles
from polytask.verdicts.verdict_result import Verdict


def troubles_of(cost: ArmCost, options: TrainingOptions) -> StepTroubles:
    """Return the steps of an arm without a solution, and with values that are not finite."""
    policies = options.model_dump(include={"unsolved", "non_finite"})
    return StepTroubles(cost.steps, cost.unsolved_steps or 0, cost.non_finite_steps or 0, policies)


def warn_of_troubles(verdict: Verdict, costs: Mapping[str, ArmCost], options: TrainingOptions) -> Verdict:
    """Return the verdict with a further warning per arm and kind of steps that went wrong."""
    found = {arm: troubles_of(cost, options).sentences() for arm, cost in costs.items()}
    warnings = [f"{verdict.titles.get(arm, arm)}: {sentence}" for arm, sentences in found.items() for sentence in sentences]
    return replace(verdict, warnings=(*verdict.warnings, *warnings)) if warnings else verdict


def refuse_troubled(chosen: ResolvedArm, tasks: Sequence[str], cost: ArmCost, options: TrainingOptions) -> Recommendation | None:
    """Return the recommendation of separate networks if too many steps of the chosen arm went wrong, and otherwise `None`."""
    why = troubles_of(cost, options).too_many()
    if not why:
        return None
    reason = f"Train {', '.join(tasks)} separately for now: joint training ({chosen.title}) was no fair trial, since {why}."
    return Recommendation(arm=SINGLE, groups=tuple((task,) for task in tasks), reason=reason)
