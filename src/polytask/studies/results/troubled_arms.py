"""Arms with many steps without a solution, or with values that are not finite: warnings, and no recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from polytask.options import TrainingOptions
from polytask.run_files import ArmCost
from polytask.training.step_troubles import StepTroubles
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.shown.advice_sentences import RecommendedArm


def troubles_of(cost: ArmCost, options: TrainingOptions) -> StepTroubles:
    """Return the steps of an arm without a solution, and with values that are not finite."""
    policies = options.model_dump(include={"unsolved", "non_finite"})
    return StepTroubles(cost.steps, cost.unsolved_steps or 0, cost.non_finite_steps or 0, policies)


def warn_of_troubles(verdict: Verdict, costs: Mapping[str, ArmCost], options: TrainingOptions) -> Verdict:
    """Return the verdict with a further warning per arm and kind of steps that went wrong."""
    found = {arm: troubles_of(cost, options).sentences() for arm, cost in costs.items()}
    warnings = [f"{verdict.titles.get(arm, arm)}: {sentence}" for arm, sentences in found.items() for sentence in sentences]
    return replace(verdict, warnings=(*verdict.warnings, *warnings)) if warnings else verdict


def refuse_troubled(advised: RecommendedArm, title: str, cost: ArmCost, options: TrainingOptions) -> RecommendedArm:
    """Return the advice, or that of separate networks if too many steps of the joint arm went wrong.

    Args:
        advised: Advice on the joint arm.
        title: Display name of the joint arm.
        cost: Cost of the joint arm, with its steps.
        options: Training options.
    """
    why = troubles_of(cost, options).too_many()
    if not why:
        return advised
    sentences = replace(
        advised.sentences,
        headline="Train separately for now: joint training was no fair trial.",
        risk=f"In joint training ({title}), {why}.",
        next_step="Change what the second sentence names, and run the study again.",
        more_seeds=0,
    )
    return replace(advised, advice=replace(advised.advice, together=False, shown=False), sentences=sentences)
