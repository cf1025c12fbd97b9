"""Replace names of arms by their display names in the record of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from polytask.run_files import VerdictFile

Titles = Mapping[str, str]
ValueT = TypeVar("ValueT")


def titled_verdict(outcome: VerdictFile) -> VerdictFile:
    """Return the verdict with display names of arms.

    Example:
        >>> from polytask.run_files import VerdictFile
        >>> titled_verdict(VerdictFile(chosen="equal", titles={"equal": "plain sum", "single": "separate networks"})).arm_names
        ('separate networks',)
    """
    titles = outcome.titles
    recommended = outcome.recommendation
    return outcome.model_copy(
        update={
            "baseline": titles.get(outcome.baseline, outcome.baseline),
            "chosen": None if outcome.chosen is None else titles.get(outcome.chosen, outcome.chosen),
            "tasks": {name: task.model_copy(update={"arms": by_title(task.arms, titles)}) for name, task in outcome.tasks.items()},
            "arms": by_title(outcome.arms, titles),
            "sharing": {
                titles.get(arm, arm): own.model_copy(update={"baseline": titles.get(own.baseline, own.baseline)})
                for arm, own in outcome.sharing.items()
            },
            "transfer": by_title(outcome.transfer, titles),
            "recommendation": recommended and recommended.model_copy(update={"arm": titles.get(recommended.arm, recommended.arm)}),
        }
    )


def by_title(arms: Mapping[str, ValueT], titles: Titles) -> dict[str, ValueT]:
    """Return what is known of each arm by its display name."""
    return {titles.get(arm, arm): value for arm, value in arms.items()}
