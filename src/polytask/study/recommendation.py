"""What to ship, in one sentence with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polytask.evaluation.results import Verdict
from polytask.study.arms import SINGLE
from polytask.study.costs import ArmCost


@dataclass(frozen=True)
class Recommendation:
    """Which arm to ship.

    Attributes:
        arm: Its name.
        groups: The tasks of each network.
        reason: One sentence.
    """

    arm: str
    groups: tuple[tuple[str, ...], ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"groups": [list(group) for group in self.groups]}


def recommend(verdict: Verdict, chosen: str, tasks: Sequence[str], costs: Mapping[str, ArmCost]) -> Recommendation:
    """Joint training where no task pays for it and it is worth something; separate networks otherwise.

    1. A task that is hurt: separate.
    2. Every task helped or the same: joint; if all are the same, because it is cheaper.
    3. Something is unclear: separate, since joint training has not shown that it does no harm.

    Args:
        verdict: What the test data say.
        chosen: The joint arm that validation data chose.
        tasks: All of them.
        costs: Per arm.
    """
    words = {task: verdict.tasks[task].arms[chosen].word for task in tasks}
    separate = tuple((task,) for task in tasks)
    hurt, unclear = _those("hurts", words), _those("unclear", words)
    if hurt:
        return Recommendation(
            SINGLE, separate, f"Train {_list(tasks)} separately: joint training ({chosen}) hurts {_changes(verdict, chosen, hurt)}."
        )
    if unclear:
        which = "" if len(unclear) == len(tasks) else f" for {_list(unclear)}"
        doubt = f"whether joint training ({chosen}) does harm or good{which} is unclear{_settled_by(verdict, chosen, unclear)}"
        return Recommendation(SINGLE, separate, f"Train {_list(tasks)} separately for now: {doubt}.")
    helped = _those("helps", words)
    effect = f"it helps {_changes(verdict, chosen, helped)}" if helped else "it makes no difference that matters"
    rest = f" and leaves {_list(_those('same', words))} the same" if helped and len(helped) < len(tasks) else ""
    reason = f"Train {_list(tasks)} together ({chosen}): {effect}{rest}, with {_saving(costs[chosen], costs[SINGLE])}."
    return Recommendation(chosen, (tuple(tasks),), reason)


def _those(word: str, words: Mapping[str, str]) -> list[str]:
    return [task for task, said in words.items() if said == word]


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _changes(verdict: Verdict, arm: str, tasks: Sequence[str]) -> str:
    """Each task with the size of its change, in its metric's own unit."""
    return _list([f"{task} ({_amount(verdict.tasks[task].metric, verdict.tasks[task].arms[arm].difference)})" for task in tasks])


def _amount(metric: str, difference: float) -> str:
    if metric in ("accuracy", "precision", "recall", "f1"):
        return f"{100 * difference:+.2f} points of {metric}"
    return f"{metric} better by {difference:.3g}" if difference > 0 else f"{metric} worse by {-difference:.3g}"


def _settled_by(verdict: Verdict, arm: str, tasks: Sequence[str]) -> str:
    found = [verdict.tasks[task].arms[arm].decision.settle for task in tasks]
    seeds = [settle.seeds for settle in found if settle is not None]
    known = [number for number in seeds if number is not None]
    return f"; about {max(known)} seeds would tell" if known and len(known) == len(tasks) else ""


def _saving(joint: ArmCost, single: ArmCost) -> str:
    networks = f"one network instead of {single.networks}"
    parameters = f"{joint.parameters:,} parameters instead of {single.parameters:,}"
    if joint.multiply_adds == single.multiply_adds:
        return f"{networks} and {parameters}; a prediction of every task costs as much as before"
    return f"{networks}, {parameters} and {joint.multiply_adds:,} multiply-adds instead of {single.multiply_adds:,}"
