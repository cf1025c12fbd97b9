"""Advice over all arms of a study of a table: which one to ship, by expected utility.

The expected utility of trees and linear models is that of `polytask.verdicts.advice`, against single-task networks, with another prior:
models of different kinds differ more than the same networks with and without sharing do, and a kind that suits one target of a table mostly
suits the others. So the true mean over tasks, in margins, has the standard deviation `KIND_PRIOR_SD` before data, whatever the number of
tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polytask.options.verdict_options.tolerance import Tolerance
from polytask.run_files import Recommendation
from polytask.studies.spec.arms import SINGLE, ResolvedArm
from polytask.studies.spec.arms_of_tables import BLEND
from polytask.verdicts.advice import interval_ends, largest_losses, network_worth, observed_mean, saved_share, shrunk
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.shown.advice_sentences import RecommendedArm, extreme_sentence

KIND_PRIOR_SD = 15.0
"""Standard deviation of the true difference between kinds of models, in margins, before data: a chosen value, some 15 % of an error."""

WHY_LIKELY = "It is likely, not shown, since claims compare networks with networks; more seeds would not change that."
IN_FOLDER = "the recommended model is in the folder of this run, model/."


@dataclass(frozen=True)
class ArmUtility:
    """Expected utility of an arm of a table, against single-task networks.

    Attributes:
        arm: The arm.
        utility: Mean over tasks of the difference in margins, shrunk as in `polytask.verdicts.advice`, and the worth of what is saved.
        saving: Worth of one model instead of one per task, in margins.
        at_risk: Protected tasks that may lose more than is tolerated.
        worst: Lower end of the interval per task.
    """

    arm: ResolvedArm
    utility: float
    saving: float
    at_risk: tuple[str, ...]
    worst: Mapping[str, float]


def table_utilities(verdict: Verdict, arms: Sequence[ResolvedArm], protect: Sequence[str], tolerate: float | str) -> list[ArmUtility]:
    """Return the expected utility of each tested arm that is no network.

    Args:
        verdict: Verdict on the test data, against single-task networks.
        arms: Tested arms.
        protect: Tasks that must not lose more than is tolerated.
        tolerate: What one model instead of one per task is worth.
    """
    tolerance, tasks, found = Tolerance.parse(tolerate), len(verdict.tasks), []
    lost = largest_losses(verdict, protect, tolerance)
    for arm in (arm for arm in arms if arm.table):
        mean = float(shrunk(*observed_mean(verdict, arm.name), prior=KIND_PRIOR_SD, seeds=len(verdict.seeds)))
        groups = tasks if arm.table == BLEND else len(arm.groups)  # a blend has a model per kind and fold
        saving = saved_share(tasks, groups) * network_worth(verdict, tolerance)
        worst = {name: low for name, (low, _) in interval_ends(verdict, arm.name).items()}
        found.append(ArmUtility(arm, mean + saving, saving, tuple(name for name in protect if worst[name] < lost[name]), worst))
    return found


def advise_over_all(
    verdict: Verdict, advised: RecommendedArm, record: Recommendation, utilities: Sequence[ArmUtility]
) -> tuple[RecommendedArm, Recommendation]:
    """Return the advice on networks, or to ship a model that is none if that has the largest expected utility.

    What is recommended in the place of networks is likely, never shown: no claim compares models of different kinds.

    Args:
        verdict: Verdict on the test data.
        advised: Advice on networks.
        record: The same as a section of verdict.json.
        utilities: Expected utility of the arms that are no networks.
    """
    if not utilities:
        return advised, record
    of_networks = (advised.advice.utility or 0.0) if advised.advice.together else 0.0
    every = {SINGLE: 0.0, advised.advice.arm: advised.advice.utility, **{one.arm.name: one.utility for one in utilities}}
    record = record.model_copy(update={"utilities": every})
    best = max((one for one in utilities if not one.at_risk), key=lambda one: one.utility, default=None)
    if best is None or best.utility <= of_networks:
        return advised, record
    title, count = verdict.title(best.arm.name), len(best.arm.groups)
    models = "one model" if count == 1 else f"{count} models, one per task"
    worth = f"; one model is counted as {best.saving:.2g} margins per task" if best.saving else ""
    sentences = replace(
        advised.sentences,
        headline=f"Ship {title}: likely better than networks, not shown.",
        risk=extreme_sentence(verdict, best.worst, f"Against {verdict.title(SINGLE)}, on average over seeds at worst", worst=True),
        cost=f"Cost: {models}{worth}.",
        next_step=f"{IN_FOLDER.capitalize()} {WHY_LIKELY}",
        more_seeds=0,
    )
    ship = {
        "arm": best.arm.name,
        "groups": best.arm.groups,
        "level": f"{'together' if count == 1 else 'separately'}, likely",
        "headline": sentences.headline,
        "risk": sentences.risk,
        "cost": sentences.cost,
        "next_step": sentences.next_step,
        "more_seeds": 0,
        "utility": best.utility,
        "saving": best.saving,
        "worst": dict(best.worst),
        "reason": f"{sentences.headline} {sentences.risk}",
        "of_networks": False,
    }
    return RecommendedArm(advised.advice, sentences), record.model_copy(update=ship)


def utility_sentences(record: Recommendation, titles: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence on the expected utility of every arm, the largest first, if arms that are no networks were counted."""
    if record.utilities:
        ranked = sorted(record.utilities.items(), key=lambda pair: -(pair[1] or 0.0))
        parts = ", ".join(f"{titles.get(arm, arm)} {value or 0.0:+.2g}" for arm, value in ranked)
        yield f"Expected utility against {titles.get(SINGLE, SINGLE)}, in margins per task, over all kinds of models: {parts}."
