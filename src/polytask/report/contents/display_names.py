"""Replace names of arms by their display names, once for everything that a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pandas as pd

from polytask.run_files import CostFile, RaceFile, VerdictFile

Titles = Mapping[str, str]
ValueT = TypeVar("ValueT")


def titled_verdict(outcome: VerdictFile) -> VerdictFile:
    """Return the verdict with display names of arms.

    Example:
        >>> titled_verdict(VerdictFile(chosen="equal", titles={"equal": "plain sum", "single": "separate networks"})).arm_names
        ('separate networks',)
    """
    titles = outcome.titles
    recommended = outcome.recommendation
    return outcome.model_copy(
        update={
            "baseline": titles.get(outcome.baseline, outcome.baseline),
            "chosen": None if outcome.chosen is None else titles.get(outcome.chosen, outcome.chosen),
            "tasks": {name: task.model_copy(update={"arms": _by_title(task.arms, titles)}) for name, task in outcome.tasks.items()},
            "arms": _by_title(outcome.arms, titles),
            "transfer": _by_title(outcome.transfer, titles),
            "recommendation": recommended and recommended.model_copy(update={"arm": titles.get(recommended.arm, recommended.arm)}),
        }
    )


def titled_costs(costs: CostFile, titles: Titles) -> CostFile:
    """Return the costs with display names of arms."""
    seconds = costs.views.equal_seconds
    views = {
        "equal_updates": _by_title(costs.views.equal_updates, titles),
        "equal_seconds": seconds.model_copy(update={"arms": _by_title(seconds.arms, titles)}),
    }
    return costs.model_copy(
        update={
            "arms": _by_title(costs.arms, titles),
            "parts": _by_title(costs.parts, titles),
            "views": costs.views.model_copy(update=views),
        }
    )


def titled_race(race: RaceFile, titles: Titles) -> RaceFile:
    """Return the trials with display names of arms."""
    return race.model_copy(
        update={"tried": tuple(trial.model_copy(update={"arm": titles.get(trial.arm, trial.arm)}) for trial in race.tried)}
    )


def titled_table(table: pd.DataFrame, titles: Titles) -> pd.DataFrame:
    """Return a table with display names in its column `arm`."""
    return table.assign(arm=table["arm"].map(lambda arm: titles.get(arm, arm)))


def _by_title(arms: Mapping[str, ValueT], titles: Titles) -> dict[str, ValueT]:
    return {titles.get(arm, arm): value for arm, value in arms.items()}
