"""Shared code of the benchmarks of architectures: run a study, and make a table of its results.

An interrupted study is resumed in its folder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from polytask import datasets
from polytask.options import StudyConfig
from polytask.report import write_report
from polytask.storage import read_json
from polytask.studies import Study
from polytask.studies.execution.study_progress import StudyProgress


def arguments(description: str | None, seeds: int) -> argparse.Namespace:
    """Parse the command line: the folder of the study and its size."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--size", help="size of the data set, if it has several")
    parser.add_argument("--arms", nargs="*", help="arms instead of the default ones")
    parser.add_argument("--workers", type=int)
    return parser.parse_args()


def run(config: Mapping[str, Any], chosen: argparse.Namespace) -> Path:
    """Run a study on a built-in data set, and return its folder.

    Args:
        config: Fields of `StudyConfig`.
        chosen: Parsed command line.
    """
    plain = {**config, "seeds": chosen.seeds, "workers": chosen.workers, "size": chosen.size or config.get("size")}
    if chosen.arms:
        plain["arms"] = tuple(chosen.arms)
    if chosen.epochs:
        plain["training"] = {**plain["training"], "epochs": chosen.epochs, "scheduler_options": {"T_max": chosen.epochs}}
    asked = StudyConfig(**plain)
    sources, tasks = datasets.load_dataset(str(asked.source), asked.size)
    folder = chosen.out or Path("runs") / f"benchmark-{asked.source}"
    started = time.monotonic()
    result = Study(sources, tasks, config=asked).run(folder, _Teller())
    write_report(result.folder)
    print(f"{time.monotonic() - started:,.0f} seconds\n")
    return result.folder


class _Teller:
    """Progress hook that prints a line per minute."""

    def __init__(self) -> None:
        self.told = time.monotonic()

    def __call__(self, progress: StudyProgress) -> None:
        if time.monotonic() - self.told > 60:
            self.told = time.monotonic()
            print(f"  {progress.stage}: {progress.done} of {progress.total} networks", flush=True)


def table(folder: Path, metrics: Mapping[str, str], digits: int = 4) -> str:
    """Return a table with a line per arm: mean test metrics with 95 % intervals over seeds, verdicts, and cost.

    Args:
        folder: Run folder of a finished study.
        metrics: Metric to show, per task.
        digits: Number of decimals.
    """
    results = pd.read_csv(folder / "results.csv")
    verdict, costs = read_json(folder / "verdict.json"), read_json(folder / "cost.json")["arms"]
    lines = [_row(["arm", *metrics, "parameters", "s / epoch"]), _row(["---"] * (len(metrics) + 3))]
    for arm, cost in costs.items():
        cells = [_cell(results, verdict, arm, task, metric, digits) for task, metric in metrics.items()]
        epochs = cost["epochs"] * cost["networks"]
        lines.append(_row([f"`{arm}`", *cells, f"{cost['parameters']:,}", f"{cost['seconds'] / epochs:.1f}"]))
    return "\n".join(lines)


def _cell(results: pd.DataFrame, verdict: Mapping[str, Any], arm: str, task: str, metric: str, digits: int) -> str:
    rows = results.query("arm == @arm and task == @task and metric == @metric and split == 'test'")
    values = rows["value"].to_numpy()
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    word = verdict["tasks"][task]["arms"].get(arm, {}).get("verdict", "")
    return f"{values.mean():.{digits}f} ± {half:.{digits}f}{f' {word}' if word else ''}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
