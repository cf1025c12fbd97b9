"""Arms with many steps without a solution, or with values that are not finite: warnings, and no recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from polytask.options import TrainingOptions
from polytask.run_files import ArmCost
from polytask.training.failed_steps import FailedSteps
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.shown.advice_sentences import Circumstances, RecommendedArm, cost_sentence


def failed_steps_of(cost: ArmCost, options: TrainingOptions) -> FailedSteps:
    """Return the steps of an arm without a solution, and with values that are not finite."""
    policies = options.model_dump(include={"unsolved", "non_finite"})
    return FailedSteps(cost.steps, cost.unsolved_steps or 0, cost.non_finite_steps or 0, policies)


def warn_of_failed_steps(verdict: Verdict, costs: Mapping[str, ArmCost], options: TrainingOptions) -> Verdict:
    """Return the verdict with a further warning per arm and kind of steps that went wrong."""
    found = {arm: failed_steps_of(cost, options).sentences() for arm, cost in costs.items()}
    warnings = [f"{verdict.titles.get(arm, arm)}: {sentence}" for arm, sentences in found.items() for sentence in sentences]
    return replace(verdict, warnings=(*verdict.warnings, *warnings)) if warnings else verdict


def refuse_arm_with_failed_steps(
    advised: RecommendedArm, title: str, tasks: int, known: Circumstances, options: TrainingOptions
) -> RecommendedArm:
    """Return the advice, or that of separate networks if too many steps of the joint arm went wrong.

    Nothing is then expected of the arm, nor bounded: its differences are not those of its method.

    Args:
        advised: Advice on the joint arm.
        title: Display name of the joint arm.
        tasks: Number of tasks.
        known: Groups and costs of the joint arm, with its steps.
        options: Training options.
    """
    failed = failed_steps_of(known.joint, options) if known.joint is not None else None
    if failed is None or not failed.too_many():
        return advised
    advice = replace(advised.advice, together=False, shown=False, utility=None, worst={}, best={})
    sentences = replace(
        advised.sentences,
        cost=cost_sentence(advice, tasks, known),
        headline="Train separately for now: joint training was no fair trial.",
        risk=f"In joint training ({title}), {failed.too_many()}.",
        next_step=f"Run the study again with {failed.options_to_change()}, in another folder.",
        more_seeds=0,
    )
    return RecommendedArm(advice, sentences)
