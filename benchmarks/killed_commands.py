"""Commands that `kills.py` kills, the data that they need, and the digests of what they write."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TIMINGS = {"seconds", "peak_memory", "peak_memory_bytes", "timeline", "started", "measured", "equal_seconds", "share_of_joint_training"}
"""Keys of JSON files whose values are measured in seconds or bytes, or follow from such, and differ between two runs."""
NOT_COMPARED = {"log.txt", "environment.json"}
NEAR_EVERY_STEP = ("--set", "training.checkpoint_seconds=0.01")


@dataclass(frozen=True)
class KilledCommand:
    """A command that is killed and repeated.

    Attributes:
        name: Name of the case.
        arguments: Arguments; `{data}` and `{out}` stand for the folder of the data, and for what is written.
        needs: Name of the case whose result is copied to `{data}/run` first; empty for none.
    """

    name: str
    arguments: tuple[str, ...]
    needs: str = ""

    def argv(self, data: Path, out: Path) -> list[str]:
        """Return the whole command."""
        filled = [argument.replace("{data}", str(data)).replace("{out}", str(out)) for argument in self.arguments]
        return [sys.executable, "-m", "polytask", *filled]


def _table(name: str, *options: str, needs: str = "") -> KilledCommand:
    command, _, rest = name.partition("-")
    del rest
    return KilledCommand(name, (command, "{data}/sales.csv", "--targets", "price", "plan", "--out", "{out}/run", *options), needs)


_TRAIN = ("--epochs", "4", "--batch-size", "16", "--threads", "1", *NEAR_EVERY_STEP)
_STUDY = ("--seeds", "2", "--epochs", "2", "--workers", "2", "--batch-size", "32", *NEAR_EVERY_STEP)
_DROPOUT = ("--encoder", "tabular(dropout=0.2)")

COMMANDS = (
    _table("train-famo", "--balancer", "famo", *_DROPOUT, *_TRAIN),
    _table("train-gradvac", "--balancer", "gradvac", "--averaging", "2", *_DROPOUT, *_TRAIN),
    _table("train-excess", "--balancer", "excess-mtl", "--architecture", "mmoe(experts=3)", *_TRAIN),
    _table("train-dwa", "--balancer", "dwa", "--callbacks", "affinity", "--averaging", "1", *_DROPOUT, *_TRAIN),
    _table("train-auto", "--model", "auto", "--epochs", "2", "--threads", "1"),
    KilledCommand(
        "train-images",
        (
            *("train", "mnist-fashion", "--out", "{out}/run", "--balancer", "gradnorm", "--sampling", "temperature", "--epochs", "2"),
            *("--steps-per-epoch", "6", "--threads", "1", *NEAR_EVERY_STEP),
        ),
    ),
    _table("study", "--no-race", "--arms", "single,equal,cagrad", "--trials", "2", *_DROPOUT, *_STUDY),
    _table("study-race", *_STUDY),
    _table("relate", *_STUDY),
    _table("curve", "--shares", "1/2,1", *_STUDY),
    KilledCommand("predict", ("predict", "{data}/run", "{data}/sales.csv", "--proba", "--out", "{out}/predictions.csv"), "train-famo"),
    KilledCommand("evaluate", ("evaluate", "{data}/run", "{data}/sales.csv", "--out", "{out}/metrics.csv"), "train-famo"),
    KilledCommand("report", ("report", "{out}/run"), "study"),
)
"""All commands. Those with dropout, with averaged weights, and with balancers that have a state are among them."""


def make_table(folder: Path) -> None:
    """Write a table with numbers, categories, missing inputs and missing labels."""
    drawn = np.random.default_rng(0)
    inputs = drawn.normal(size=(160, 3)).round(3)
    table = pd.DataFrame(inputs, columns=list("abc")).assign(town=drawn.choice(["Oslo", "Rome", "Lima"], size=160))
    table["price"] = inputs.sum(axis=1).round(3)
    table["plan"] = np.where(inputs[:, 0] > 0, "u", "v")
    for column in ("a", "price", "plan"):
        table.loc[drawn.random(160) < 0.15, column] = None
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "sales.csv", index=False)


def run_to_end(command: list[str], environment: dict[str, str], limit: float) -> tuple[int, str]:
    """Run a command, and return its exit code and what it has written to stderr; 124 if it exceeds the limit."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return 124, "time limit"
    return done.returncode, done.stderr


def digests(out: Path, *, timed: bool) -> dict[str, str]:
    """Return a digest per file that a command has written, without what is measured in seconds and bytes; of a model, of every byte.

    Args:
        out: Folder of what it has written.
        timed: Whether the command has trained: then a report shows seconds in tables and pictures, and only has to be there.
    """
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and path.name not in NOT_COMPARED and "checkpoints" not in name.parts:
            content = b"" if timed and path.name == "report.html" else path.read_bytes() if "model" in name.parts else _comparable(path)
            found[str(name)] = hashlib.sha256(content).hexdigest()
    return found


def _comparable(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(_without_timings(json.loads(content)), sort_keys=True).encode()
    return content


def _without_timings(value: Any) -> Any:  # noqa: ANN401 - decoded JSON
    if isinstance(value, dict):
        return {name: _without_timings(inner) for name, inner in value.items() if name not in TIMINGS}
    return [_without_timings(inner) for inner in value] if isinstance(value, list) else value
