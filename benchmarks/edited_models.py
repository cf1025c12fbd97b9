"""Edits of a stored model and of its run files, with a manifest that matches: each is refused in one line, or changes a value only.

    python benchmarks/edited_models.py --edits 200 --seed 0

An edit replaces, removes or adds one value of one file, and writes the manifest anew, as somebody would who wants to be believed. The
model is then loaded and predicts a table. `refused` is an error of polytask in one line; `same` are the same predictions; `changed` are
other ones, because a number or a label of the model was replaced by another valid one. Anything else is a failure, and so are more than
5 s or 1 GB.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from polytask.artifacts.table_model import SavedTableModel
from polytask.cli.table_source import table_section
from polytask.errors import PolytaskError
from polytask.options import TrainConfig, checked
from polytask.studies import load_data, train_network

MOST_SECONDS, MOST_BYTES = 5.0, 2**30
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 3, 10**9, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "x", "../../x", "a:b", "os:system", "=1+1", [], [0],
    {}, {"a": 1}, [1] * 2_000, "y" * 100_000, [[]], ["u", "u"],
)  # fmt: skip
"""What values are replaced by."""

Path_ = tuple[str | int, ...]


def made_run(folder: Path) -> tuple[Path, Path]:
    """Train a small network on a table with numbers and categories; return the run folder and the table."""
    drawn = np.random.default_rng(0)
    numbers = drawn.normal(size=(120, 2))
    town = drawn.choice(["Oslo", "Rome", "Lima"], size=120)
    table = pd.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1], "town": town, "price": numbers.sum(axis=1)})
    table["plan"] = np.where(numbers[:, 0] > 0, "u", "v")
    path = folder / "table.csv"
    table.to_csv(path, index=False)
    section = table_section(str(path), {"targets": ["price", "plan"]})
    config = checked(TrainConfig, {**section, "training": {"epochs": 1, "threads": 1}}, where="train")
    data = load_data(config)
    train_network(data.config, data.sources, data.tasks, folder / "run")
    return folder / "run", path


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value in nested data; of long lists, only the first ones."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:4]):
            yield from places(inner, (*path, number))


def edit(content: object, draw: random.Random) -> tuple[Any, str]:
    """Return the content with one value replaced, removed or added, and a description."""
    edited: Any = copy.deepcopy(content)
    known = [path for path in places(edited) if path and path[0] != "facts"]
    path = draw.choice(known)
    inner = edited
    for part in path[:-1]:
        inner = inner[part]
    if draw.random() < 0.15:
        del inner[path[-1]]
        return edited, f"{path} removed"
    value = draw.choice(VALUES)
    inner[path[-1]] = value
    return edited, f"{path} = {str(value)[:40]!r}"


def edit_run(run: Path, draw: random.Random) -> str:
    """Edit one file of a run, write the manifest of its folder anew, and return a description."""
    network = run / "model" / "network-1"
    file = draw.choice([network / "values.json"] * 6 + [run / "model" / "model.json"])
    content, what = edit(json.loads(file.read_text()), draw)
    file.write_text(json.dumps(content))
    write_manifest(network)
    return f"{file.name} {what}"


def write_manifest(network: Path) -> None:
    """Write the manifest of the present files of a network."""
    facts = {}
    for name in ("tensors.safetensors", "values.json"):
        held = (network / name).read_bytes()
        facts[name] = {"bytes": len(held), "sha256": hashlib.sha256(held).hexdigest()}
    (network / "manifest.json").write_text(json.dumps(facts))


def outcome(run: Path, table: Path, expected: str) -> str:
    """Return what predicting with a run leads to."""
    out = run / "predictions.csv"
    try:
        SavedTableModel(run).predict(table, out)
    except PolytaskError as error:
        return "refused" if "\n" not in str(error) and len(str(error)) < 1_000 else f"FAILED: long message {str(error)[:200]}"
    except Exception as error:  # noqa: BLE001 - what is counted
        return f"FAILED: {type(error).__name__}: {error}"
    return "same" if out.read_text() == expected else "changed"


def count_outcomes(edits: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Make edits, and return the counts of outcomes and a line per failure."""
    draw, counts, failures = random.Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        run, table = made_run(Path(name))
        SavedTableModel(run).predict(table, Path(name) / "expected.csv")
        expected = (Path(name) / "expected.csv").read_text()
        for number in range(edits):
            edited = Path(name) / f"edited-{number}"
            shutil.copytree(run, edited)
            what = edit_run(edited, draw)
            before, started = psutil.Process().memory_info().rss, time.monotonic()
            found = outcome(edited, table, expected)
            if time.monotonic() - started > MOST_SECONDS or psutil.Process().memory_info().rss - before > MOST_BYTES:
                found = f"FAILED: took {time.monotonic() - started:.1f} s"
            counts[found.partition(":")[0]] += 1
            failures += [f"{what}: {found}"] if found.startswith("FAILED") else []
            shutil.rmtree(edited)
    return counts, failures


def run_edits(count: Callable[[int, int], tuple[Counter[str], list[str]]], description: str | None) -> None:
    """Read the number of edits and the seed from the command line, make the edits, and print the failures and the counts.

    Args:
        count: Function of both that makes the edits.
        description: Docstring of the program.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0] if description else None)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts, failures = count(given.edits, given.seed)
    print(*failures, sep="\n")
    print(", ".join(f"{name} {times}" for name, times in sorted(counts.items())))


if __name__ == "__main__":
    run_edits(count_outcomes, __doc__)
