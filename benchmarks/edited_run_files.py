"""Edits of the JSON files of runs: what reads them is refused in one line that names the file, or completes.

    python benchmarks/edited_run_files.py --edits 200 --seed 0

An edit replaces, removes or adds one value of one file of a study, of a measurement of relatedness or of a learning curve; then the
report is built. Every second edit is one of a file of an unfinished study, such as the facts of a network with a manifest that matches;
then the study is resumed. `refused` is an error of polytask in one line that names the file, or for a resumed study the run; `completed`
is a report or a study. Anything else is a failure, and so are more than 10 s.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

import polytask as pt
from edited_models import edit, run_edits, write_manifest
from polytask.errors import PolytaskError
from polytask.report import write_report

MOST_SECONDS = 10.0
FEW: dict[str, Any] = {"targets": ["value", "churn"], "seeds": 2, "epochs": 1, "threads": 1, "workers": 1}
STUDY: dict[str, Any] = {**FEW, "arms": ["single", "equal", "cagrad"], "trials": 2}


def made_runs(folder: Path) -> list[Path]:
    """Write one finished run of each kind, and return their folders."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    pd.DataFrame(x, columns=list("abc")).assign(value=x.sum(1), churn=x[:, 0] > 0).to_csv(folder / "table.csv", index=False)
    table = folder / "table.csv"
    pt.study(table, out=folder / "study", **STUDY)
    pt.relate(table, out=folder / "relate", **FEW)
    pt.curve(table, out=folder / "curve", shares=["1/2", 1], **FEW)
    return [folder / name for name in ("study", "relate", "curve")]


def unfinished_study(folder: Path) -> Path:
    """Write a study of the same table that has trained its networks and read the test data, and return its folder."""
    with patch("polytask.studies.run_study.conclude_study", side_effect=KeyboardInterrupt):
        try:
            pt.study(folder / "table.csv", out=folder / "begun", **STUDY)
        except KeyboardInterrupt:
            return folder / "begun"
    raise AssertionError("the study was not interrupted")


def edit_unfinished(run: Path, draw: random.Random) -> tuple[Path, str]:
    """Edit one JSON file of an unfinished study, in most cases the facts of a network, and return the file and a description."""
    files = [file for file in sorted(run.rglob("*.json")) if file.name != "manifest.json"]
    name = draw.choice(sorted({file.name for file in files}))
    file = draw.choice([file for file in files if file.name == name])
    content = json.loads(file.read_text())
    if name == "values.json":
        content["facts"], what = edit(content["facts"], draw)
    else:
        content, what = edit(content, draw)
    file.write_text(json.dumps(content))
    if name == "values.json":
        write_manifest(file.parent)
    return file, what


def edit_run(run: Path, draw: random.Random) -> tuple[Path, str]:
    """Edit one JSON file of a run, and return the file and a description."""
    file = draw.choice(sorted(run.glob("*.json")))
    content, what = edit(json.loads(file.read_text()), draw)
    file.write_text(json.dumps(content))
    return file, what


def outcome(run: Path, named: str, table: Path | None = None) -> str:
    """Return what building the report of a run leads to, or resuming it with its table."""
    started = time.monotonic()
    try:
        if table is None:
            write_report(run)
        else:
            pt.study(table, out=run, **STUDY)
    except PolytaskError as error:
        one_line = "\n" not in str(error) and len(str(error)) < 1_000
        return "refused" if one_line and named in str(error) else f"FAILED: {error}"
    except Exception as error:  # noqa: BLE001 - what is counted
        return f"FAILED: {type(error).__name__}: {error}"
    return "completed" if time.monotonic() - started < MOST_SECONDS else f"FAILED: took {time.monotonic() - started:.1f} s"


def count_outcomes(edits: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Make edits, and return the counts of outcomes and a line per failure."""
    draw, counts, failures = random.Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        runs = made_runs(Path(name))
        begun = unfinished_study(Path(name))
        for number in range(edits):
            run = begun if number % 2 else runs[number // 2 % len(runs)]
            edited = Path(name) / f"edited-{number}"
            shutil.copytree(run, edited)
            if run == begun:
                file, what = edit_unfinished(edited, draw)
                found = outcome(edited, edited.name, Path(name) / "table.csv")
            else:
                file, what = edit_run(edited, draw)
                found = outcome(edited, file.name)
            counts[found.partition(":")[0]] += 1
            failures += [f"{run.name}/{file.name} {what}: {found}"] if found.startswith("FAILED") else []
            shutil.rmtree(edited)
    return counts, failures


if __name__ == "__main__":
    run_edits(count_outcomes, __doc__)
