"""Check the recommendations of studies on real problems: their regret, and what the race saves compared with testing every arm.

    POLYTASK_DATA=… python benchmarks/recommendation_regret.py [--problems enb jura …] [--seeds 10] [--replicates 1] [--grids [enb …]]
    [--write]

**Regret.** A study races its arms, tests the winner, and recommends an arm. The recommended networks and the single-task ones of the same
seeds then predict fresh rows, which were never read before. An arm counts as worse on a task at a level of 5 % over all tasks of all
problems together (Holm); the smallest detectable difference is reported as well.

**Race and grid.** With `--grids`, two more studies with other seeds test every arm with every seed. Compared are the CPU time of the whole
studies, which other work on the machine affects less than wall time, and how often two studies give the same verdict on the chosen arm;
a contradiction is two different verdicts, neither of which is unclear. Finished studies are reused, so that an interrupted program resumes.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from benchmark_problems import PROBLEMS, Problem, problem
from markdown_tables import put, row
from polytask.metrics.influence_functions import influence_differences
from polytask.options import StudyConfig, checked
from polytask.report import write_report
from polytask.storage import read_json, read_yaml, write_json
from polytask.studies import Study
from polytask.studies.execution.job_training import make_jobs
from polytask.studies.results.open_test_data import FinishedJobs, TestRows, open_test_data
from polytask.studies.run_study import arms_to_test
from polytask.studies.setup.resolve_config import make_job_context
from polytask.studies.spec.arms import SINGLE, parse_arms
from polytask.studies.tuning.arm_selection import RaceResult, read_race_result
from polytask.verdicts.estimates.crossed_anova import CrossedEstimate, crossed_estimate
from polytask.verdicts.prediction_frame import read_predictions
from polytask.verdicts.spending.error_split import FAMILYWISE_LEVEL, holm

APART = 1_000
"""Distance between the seeds of independent studies."""
POWER = 0.8
WORDS = ("helps", "same", "unclear", "hurts")


@dataclass(frozen=True)
class Said:
    """Result of one study.

    Attributes:
        folder: Run folder.
        chosen: Joint arm that was chosen on validation data.
        recommended: Recommended arm.
        words: Verdict on the chosen arm, per task.
        seconds: CPU time of the whole study.
    """

    folder: Path
    chosen: str
    recommended: str
    words: Mapping[str, str]
    seconds: float


class Compared(NamedTuple):
    """A race, and two grids to compare it with."""

    race: Said
    first: Said
    second: Said


def studied(posed: Problem, folder: Path, seeds: Sequence[int], *, race: bool) -> Said:
    """Run a study, unless it is finished already, and return its result."""
    taken = folder.with_suffix(".json")
    if not taken.exists():
        started, before = time.monotonic(), processor_seconds()
        config = posed.config(seeds=tuple(seeds), race=race)
        Study(posed.sources, posed.tasks, config=config).run(folder, keep=race)
        write_report(folder)
        get_reusable_executor().shutdown(wait=True)  # the CPU time of child processes is known when they have ended
        write_json(taken, {"seconds": processor_seconds() - before})
        print(f"  {folder.name}: {time.monotonic() - started:,.0f} s", flush=True)
    verdict = read_json(folder / "verdict.json")
    words = {name: task["arms"][verdict["chosen"]]["verdict"] for name, task in verdict["tasks"].items()}
    return Said(folder, verdict["chosen"], verdict["recommendation"]["arm"], words, read_json(taken)["seconds"])


def processor_seconds() -> float:
    """Return the CPU time of this process and of its child processes that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(own.ru_utime + own.ru_stime for own in used)


class Regret(NamedTuple):
    """Comparison of the recommended arm with single-task training on fresh rows, for one task."""

    problem: str
    task: str
    metric: str
    study: CrossedEstimate


def regrets(posed: Problem, said: Said) -> Iterator[Regret]:
    """Yield the regret of each task; nothing if single-task training is recommended."""
    if said.recommended == SINGLE:
        return
    metrics = {task.name: task.metric for task in posed.tasks}
    for task in read_predictions(_fresh(posed, said), {task.name: task.kind for task in posed.tasks}).tasks:
        metric = metrics[task.name]
        (split,) = task.splits
        values = influence_differences(metric, split.targets, split.runs[said.recommended], split.runs[SINGLE])
        yield Regret(posed.name, task.name, metric, crossed_estimate(values))


def _fresh(posed: Problem, said: Said) -> pd.DataFrame:
    """Return the predictions for the fresh rows by the networks that the study kept."""
    kept = said.folder / "fresh.parquet"
    if not kept.exists():
        config = checked(StudyConfig, read_yaml(said.folder / "run.yaml"), where="run.yaml")
        raced = read_race_result(said.folder / "race.json") or RaceResult()
        arms = arms_to_test(parse_arms(config.arms, [task.name for task in posed.tasks]), raced)
        jobs = make_jobs(arms, config.seeds, said.folder / "checkpoints", raced.chosen)
        finished = FinishedJobs(tuple(job for job in jobs if job.arm.name in (SINGLE, said.recommended)))
        assigned = make_job_context(config, posed.sources, posed.tasks)
        tested = open_test_data(
            finished, [TestRows(config.seeds, lambda: posed.fresh, assigned)], said.folder / "fresh-openings.json", workers=2
        )
        tested.predictions.to_parquet(kept)
    return pd.read_parquet(kept)


def regret_table(found: Sequence[Regret]) -> str:
    """Return a table with a line per task: difference on fresh rows, smallest detectable one, and whether the arm is worse (Holm)."""
    adjusted = holm([one.study.p for one in found]).tolist() if found else []
    level = FAMILYWISE_LEVEL / max(1, len(found))
    lines = [row(["problem", "task", "metric", "difference on fresh rows", "smallest detectable", "worse"]), row(["---"] * 6)]
    for one, p in zip(found, adjusted, strict=True):
        seen = one.study.half_width(level) + one.study.half_width(2 * (1 - POWER))
        worse = "**yes**" if one.study.difference < 0 and p <= FAMILYWISE_LEVEL else "no"
        lines.append(row([one.problem, one.task, one.metric, f"{one.study.difference:+.4g}", f"± {seen:.2g}", worse]))
    return "\n".join(lines)


def advice_table(said: Sequence[tuple[Problem, Said]]) -> str:
    """Return a table with a line per study: its chosen arm, the verdicts on it, and the recommendation."""
    lines = [row(["problem", "tasks", "chosen arm", "verdicts", "recommendation", "processor seconds"]), row(["---"] * 6)]
    for posed, one in said:
        counts = Counter(one.words.values())
        words = ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
        lines.append(row([posed.name, len(posed.tasks), f"`{one.chosen}`", words, f"`{one.recommended}`", f"{one.seconds:,.0f}"]))
    return "\n".join(lines)


def agreement(one: Said, other: Said) -> float:
    """Return the share of tasks on which two studies give the same verdict for their chosen arms."""
    return float(np.mean([one.words[task] == other.words[task] for task in one.words]))


def race_table(compared: Mapping[str, Sequence[Compared]]) -> str:
    """Return a table with a line per problem: CPU time of race / grid, how often studies agree, and how often the race contradicts."""
    lines = [row(["problem", "race / grid, seconds", "two grids agree", "race and grid agree", "race contradicts"]), row(["---"] * 5)]
    figures = {name: np.array([_figures(one) for one in own]) for name, own in compared.items()}
    tasks = [len(own[0].race.words) for own in compared.values()]
    for name, own in figures.items():
        lines.append(_race_line(name, own.mean(axis=0), own[:, 3].sum()))
    whole = np.average([own.mean(axis=0) for own in figures.values()], axis=0, weights=tasks)
    whole[0] = np.median([own[:, 0].mean() for own in figures.values()])
    lines.append(_race_line("all: median, and by task", whole, sum(own[:, 3].sum() for own in figures.values())))
    return "\n".join(lines)


def _figures(one: Compared) -> tuple[float, float, float, float]:
    grids = (one.first, one.second)
    ratio = one.race.seconds / np.mean([grid.seconds for grid in grids])
    pairs = [(word, grid.words[task]) for grid in grids for task, word in one.race.words.items()]
    others = sum("unclear" not in pair and len(set(pair)) > 1 for pair in pairs)
    return float(ratio), agreement(*grids), float(np.mean([agreement(one.race, grid) for grid in grids])), float(others)


def _race_line(name: str, means: np.ndarray, contradicted: float) -> str:
    return row([name, f"{means[0]:.2f}", f"{100 * means[1]:.0f} %", f"{100 * means[2]:.0f} %", f"{contradicted:.0f}"])


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--replicates", type=int, default=1, help="splits of the rows, each with its own seeds")
    parser.add_argument("--grids", nargs="*", help="also run two full grids on these problems; on all problems if none is named")
    parser.add_argument("--out", type=Path, default=Path("runs/advice"))
    parser.add_argument("--write", action="store_true", help="write the tables to docs/verdict.md")
    return parser.parse_args()


def main() -> None:
    """Run unfinished studies, print the tables, and write them with `--write`."""
    given = arguments()
    beside = () if given.grids is None else given.grids or given.problems
    races: list[tuple[Problem, Said]] = []
    found: list[Regret] = []
    compared: dict[str, list[Compared]] = {}
    for name in given.problems:
        for replicate in range(given.replicates):
            posed = problem(name, seed=replicate)
            runs = [range(first := APART * (3 * replicate + number), first + given.seeds) for number in range(3)]
            race = studied(posed, given.out / f"{name}-{replicate}-race", runs[0], race=True)
            races.append((posed, race))
            found += regrets(posed, race)
            if name in beside:
                grids = [studied(posed, given.out / f"{name}-{replicate}-grid{number}", runs[number], race=False) for number in (1, 2)]
                compared.setdefault(name, []).append(Compared(race, *grids))
    tables = {"advice": advice_table(races), "regret": regret_table(found)} | ({"race": race_table(compared)} if compared else {})
    for title, table in tables.items():
        print(f"\n{table}")
        if given.write:
            put(title, table)


if __name__ == "__main__":
    main()
