"""What studies advise on real problems: whether anybody would regret it, and what the race saves against testing every arm.

    POLYTASK_DATA=… python benchmarks/advice.py [--problems enb jura …] [--seeds 10] [--replicates 1] [--grids] [--out runs/advice] [--write]

**Regret.** A study races its arms, tests the winner, and recommends something. The recommended networks and the single-task ones of the same seeds
then predict fresh rows, which nothing before had read. Worse is called what is worse for any task of any problem, at 5 % over all of them together
(Holm), with the smallest difference that could have been seen beside it.

**Race and grid.** With `--grids` two studies that test every arm with every seed are run beside it, with seeds of their own. Their seconds and the race's are
those that all networks trained for, and how often two studies say the same word of a task's chosen arm is counted. A study that is finished is read, so that
the program goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polytask.evaluation.crossed import Crossed, cross
from polytask.evaluation.influence import influence
from polytask.evaluation.predictions import read
from polytask.evaluation.words import LEVEL, holm
from polytask.report import write_report
from polytask.storage import read_json, write_json
from polytask.study import Study, StudyConfig
from polytask.study.arms import SINGLE
from polytask.study.choosing import Raced
from polytask.study.jobs import jobs_of
from polytask.study.opening import Finished, open_test
from polytask.study.resolving import assignment
from problems import PROBLEMS, Problem, problem
from writing import write_between

APART = 1_000
"""Between the seeds of studies that know nothing of each other."""
PAGE = Path(__file__).parents[1] / "docs" / "verdict.md"
POWER = 0.8


@dataclass(frozen=True)
class Said:
    """What came of one study.

    Attributes:
        chosen: The joint arm that validation data chose.
        recommended: The arm to ship.
        words: Per task what is said of the chosen arm.
        seconds: That all its networks were trained for.
    """

    chosen: str
    recommended: str
    words: Mapping[str, str]
    seconds: float


def study(posed: Problem, folder: Path, seeds: Sequence[int], plan: str) -> Said:
    """Run a study, unless it is there already, and read what it says."""
    if not (folder / "model" / "model.json").exists():
        started = time.monotonic()
        Study(posed.sources, posed.tasks, config=posed.config(seeds=tuple(seeds), plan=plan)).run(folder, keep=True)
        write_report(folder)
        print(f"  {folder.name}: {time.monotonic() - started:,.0f} s", flush=True)
    verdict, costs = read_json(folder / "verdict.json"), read_json(folder / "cost.json")
    trained = sum(arm["seconds"] for arm in costs["arms"].values()) * len(seeds)
    words = {name: task["arms"][verdict["chosen"]]["verdict"] for name, task in verdict["tasks"].items()}
    return Said(verdict["chosen"], verdict["recommendation"]["arm"], words, trained + costs.get("race", {}).get("seconds", 0.0))


@dataclass(frozen=True)
class Regret:
    """One task on fresh rows.

    Attributes:
        problem: Of which it is.
        task: Its name.
        metric: In whose unit differences are.
        study: The analysis of the difference between the recommended arm and single-task training.
    """

    problem: str
    task: str
    metric: str
    study: Crossed


def regrets(posed: Problem, folder: Path, said: Said, config: StudyConfig) -> Iterator[Regret]:
    """The recommended arm against single-task training on fresh rows, task by task."""
    frame = _fresh(posed, folder, said, config)
    metrics = {task.name: task.metric for task in posed.tasks}
    for task in read(frame, {task.name: task.kind for task in posed.tasks}).tasks:
        values = influence(metrics[task.name], task.targets, task.runs[said.recommended], task.runs[SINGLE])
        yield Regret(posed.name, task.name, metrics[task.name], cross(values))


def _fresh(posed: Problem, folder: Path, said: Said, config: StudyConfig) -> pd.DataFrame:
    """Predictions of the fresh rows by the networks that the study kept."""
    kept = folder / "fresh.parquet"
    if not kept.exists():
        whole = Study(posed.sources, posed.tasks, config=config)
        race = read_json(folder / "race.json")
        raced = Raced(race["winner"], {(one["arm"], tuple(one["tasks"])): one["settings"] for one in race["chosen"]})
        tested = [arm for arm in whole.arms if not arm.joint or arm.name == raced.winner]
        jobs = [job for job in jobs_of(tested, config.seeds, folder / "checkpoints", raced.chosen) if job.arm.name in (SINGLE, said.recommended)]
        ledger = folder / "fresh-openings.json"
        open_test(Finished(tuple(jobs)), lambda: posed.fresh, ledger, assignment(config, posed.sources, posed.tasks), 2).predictions.to_parquet(kept)
    return pd.read_parquet(kept)


def regret_table(found: Sequence[Regret]) -> str:
    """A line per task: the difference on fresh rows, what could have been seen, and whether it is worse over all of them together."""
    adjusted = holm([one.study.p for one in found]) if found else np.empty(0)
    level = LEVEL / max(1, len(found))
    lines = ["| problem | task | metric | difference on fresh rows | could have seen | worse |", "|---|---|---|---|---|---|"]
    for one, p in zip(found, adjusted.tolist(), strict=True):
        seen = one.study.half_width(level) + one.study.half_width(2 * (1 - POWER))
        worse = "**yes**" if one.study.difference < 0 and p <= LEVEL else "no"
        lines.append(f"| {one.problem} | {one.task} | {one.metric} | {one.study.difference:+.4g} | ± {seen:.2g} | {worse} |")
    return "\n".join(lines)


def agreement(first: Said, second: Said) -> float:
    """The share of tasks of whose chosen arm two studies say the same word."""
    return float(np.mean([first.words[task] == second.words[task] for task in first.words]))


def contradictions(race: Said, grid: Said) -> int:
    """How many tasks a race says another clear word of than a grid, which is not the way towards unclear."""
    return sum(word not in ("unclear", grid.words[task]) for task, word in race.words.items())


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--replicates", type=int, default=1, help="divisions of the rows, each with seeds of its own")
    parser.add_argument("--grids", action="store_true", help="run two full grids beside each race")
    parser.add_argument("--out", type=Path, default=Path("runs/advice"))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/verdict.md")
    return parser.parse_args()


def main() -> None:
    """Run everything that is not there yet, and print the tables."""
    given = arguments()
    advice, found, compared = [], [], []
    for name, replicate in product(given.problems, range(given.replicates)):
        posed = problem(name, seed=replicate)
        first = 3 * APART * replicate
        seeds = range(first, first + given.seeds)
        folder = given.out / f"{name}-{replicate}-race"
        race = study(posed, folder, seeds, "race")
        config = replace_resolved(posed, folder, seeds)
        own = list(regrets(posed, folder, race, config)) if race.recommended != SINGLE else []
        found += own
        counts = ", ".join(f"{word} {list(race.words.values()).count(word)}" for word in ("helps", "hurts", "same", "unclear") if word in race.words.values())
        advice.append(f"| {name} | {len(posed.tasks)} | {race.chosen} | {counts} | {race.recommended} | {race.seconds:,.0f} |")
        if given.grids:
            grids = [study(posed, given.out / f"{name}-{replicate}-grid{n}", range(first + n * APART, first + n * APART + given.seeds), "grid") for n in (1, 2)]
            compared.append((name, race, *grids))
    tables = {"advice": advice_table(advice), "regret": regret_table(found)} | ({"race": race_table(compared)} if compared else {})
    for title, table in tables.items():
        print(f"\n{table}")
        if given.write:
            write_between(PAGE, title, table)


def replace_resolved(posed: Problem, folder: Path, seeds: Sequence[int]) -> StudyConfig:
    """The configuration as the study resolved it."""
    from polytask.storage import read_yaml
    from polytask.study import checked

    del posed, seeds
    return checked(StudyConfig, read_yaml(folder / "run.yaml"), where="run.yaml")


def advice_table(lines: Sequence[str]) -> str:
    """What every study said."""
    return "\n".join(["| problem | tasks | chosen arm | words | recommended | seconds of training |", "|---|---|---|---|---|---|", *lines])


def race_table(compared: Sequence[tuple[str, Said, Said, Said]]) -> str:
    """Per problem the race's seconds over a grid's, and how often two studies agree."""
    lines = ["| problem | race / grid, seconds | two grids agree | race and grid agree | race contradicts |", "|---|---|---|---|---|"]
    rows: dict[str, list[tuple[float, float, float, int]]] = {}
    for name, race, first, second in compared:
        ratio = race.seconds / np.mean([first.seconds, second.seconds])
        with_grids = np.mean([agreement(race, first), agreement(race, second)])
        rows.setdefault(name, []).append((float(ratio), agreement(first, second), float(with_grids), contradictions(race, first) + contradictions(race, second)))
    weights = {name: len(next(race for own, race, *_ in compared if own == name).words) for name in rows}
    for name, own in rows.items():
        lines.append(_race_line(name, np.array(own).mean(axis=0), sum(row[3] for row in own)))
    whole = np.average([np.array(own).mean(axis=0) for own in rows.values()], axis=0, weights=list(weights.values()))
    median = float(np.median([np.mean([row[0] for row in own]) for own in rows.values()]))
    lines.append(_race_line("**all** (ratio: median; agreement: by task)", np.array([median, *whole[1:]]), sum(row[3] for own in rows.values() for row in own)))
    return "\n".join(lines)


def _race_line(name: str, means: Any, contradicted: int) -> str:  # noqa: ANN401 - an array of four numbers
    return f"| {name} | {means[0]:.2f} | {100 * means[1]:.0f} % | {100 * means[2]:.0f} % | {contradicted} |"


if __name__ == "__main__":
    main()
