"""A run folder as plain data: what every form of the report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from polytask.errors import DataError, StorageError
from polytask.storage import read_json, read_yaml, storage_errors

FILES = {
    "run.yaml": "every choice, resolved; feeding it back repeats the run",
    "environment.json": "versions, processor, threads and data",
    "predictions.parquet": "of every test row: what the verdict is computed from",
    "results.csv": "every metric per arm, seed, task and split",
    "verdict.json": "the verdict",
    "cost.json": "parameters, multiply-adds, seconds and memory",
    "history.csv": "losses, weights and validation metrics per epoch",
    "model/": "the recommended model: safetensors and JSON",
    "log.txt": "what happened when",
}


@dataclass(frozen=True)
class RunContents:
    """What a study wrote.

    Attributes:
        config: run.yaml.
        environment: environment.json.
        verdict: verdict.json.
        cost: cost.json.
        history: history.csv.
        predictions: predictions.parquet.
    """

    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    verdict: Mapping[str, Any]
    cost: Mapping[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame

    def curves(self) -> pd.DataFrame:
        """Per task, arm, split, name and epoch the mean over the seeds that were still training.

        The training loss and the validation metric that decides; columns arm, task, split, name, epoch, value.
        """
        wanted = (self.history["split"] == "validation") | (self.history["name"] == "loss")
        keys = ["arm", "task", "split", "name", "epoch"]
        means = pd.DataFrame(self.history[wanted].groupby(keys, sort=False, as_index=False)["value"].mean())
        return means[[*keys, "value"]]

    def confusion(self, task: str, arm: str) -> pd.DataFrame:
        """How often each true class (row) was given each label (column), summed over seeds."""
        rows = self.predictions[(self.predictions["task"] == task) & (self.predictions["arm"] == arm)]
        table = pd.crosstab(rows["target"].astype(str), rows["prediction"].astype(str))
        labels = sorted(set(table.index) | set(table.columns), key=_natural)
        return pd.DataFrame(table.reindex(index=labels, columns=labels, fill_value=0))


def read_run(folder: Path) -> RunContents:
    """Read a finished study.

    Raises:
        StorageError: A file is missing or damaged.
        DataError: A table lacks a column.
    """
    if not (folder / "verdict.json").exists():
        remedy = "Give the folder of a finished study; an unfinished one goes on with the command that began it"
        raise StorageError("there is no verdict here", where=str(folder), remedy=remedy)
    return RunContents(
        config=_mapping(folder / "run.yaml", read_yaml(folder / "run.yaml")),
        environment=_mapping(folder / "environment.json", read_json(folder / "environment.json")),
        verdict=_mapping(folder / "verdict.json", read_json(folder / "verdict.json")),
        cost=_mapping(folder / "cost.json", read_json(folder / "cost.json")),
        history=_table(folder / "history.csv", ["arm", "seed", "epoch", "task", "split", "name", "value"]),
        predictions=_table(folder / "predictions.parquet", ["arm", "seed", "task", "unit", "target", "prediction"]),
    )


def _mapping(path: Path, content: object) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise DataError("a mapping of names to values is expected", where=str(path), found=type(content).__name__)
    return content


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    with storage_errors(path):
        try:
            table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False, na_values=[""])
        except (ValueError, UnicodeDecodeError) as error:  # pandas' and pyarrow's complaints about content
            raise StorageError("this table cannot be read", where=str(path), found=str(error).split("\n")[0]) from None
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"the table has no column {missing[0]!r}", where=str(path), found=", ".join(map(str, table.columns)))
    return table


def _natural(label: str) -> tuple[int, float, str]:
    """Numbers in their order, before words."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)
