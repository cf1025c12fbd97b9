"""Replace names of arms by their display names, once for everything that a report shows."""

from __future__ import annotations

import pandas as pd

from polytask.run_files import CostFile, RaceFile
from polytask.verdicts.shown.titled_verdict import Titles, by_title


def titled_costs(costs: CostFile, titles: Titles) -> CostFile:
    """Return the costs with display names of arms."""
    seconds = costs.views.equal_seconds
    views = {
        "equal_updates": by_title(costs.views.equal_updates, titles),
        "equal_seconds": seconds.model_copy(update={"arms": by_title(seconds.arms, titles)}),
    }
    return costs.model_copy(
        update={
            "arms": by_title(costs.arms, titles),
            "parts": by_title(costs.parts, titles),
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
