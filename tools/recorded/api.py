"""All uses of polytask's Python API by the recorder, so that a renaming in the API has to be followed in one place only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import polytask as pt
from polytask.data import Source, TablePreprocessor, WordTokenizer
from polytask.registry import find, load_class, names
from polytask.registry.parsing import parse_component, parse_options
from recorded.data import Problem

GROUPS = {"encoder": "encoder", "architecture": "architecture", "balancer": "balancer", "wrapper": "balancer wrapper", "kind": "task kind"}
"""The groups of the registry whose components must all be recorded."""


@dataclass(frozen=True)
class Fitted:
    """Result of one training run.

    Attributes:
        tensors: State dict of the network.
        history: Training history, one row per number.
        numbers: Validation metrics and counts of the run.
    """

    tensors: Mapping[str, torch.Tensor]
    history: pd.DataFrame
    numbers: Mapping[str, Any]


def registered(group: str) -> set[str]:
    """Return the registered names in a group of `GROUPS`."""
    return set(names(GROUPS[group]))


def fit(problem: Problem, encoder: str, architecture: str, balancer: str, training: str) -> Fitted:
    """Train one network with seed 0.

    Args:
        problem: Data and tasks.
        encoder: Encoder as users write it.
        architecture: Architecture as users write it.
        balancer: Balancer as users write it.
        training: Training options, such as `epochs=2, lr=0.01`.
    """
    sources = [_source(name, inputs, problem.labels[name]) for name, inputs in problem.inputs.items()]
    tasks = tuple(_component("task kind", kind, name=name) for name, kind in problem.tasks.items())
    torch.manual_seed(0)  # for parameters that are drawn when a component is made and not initialized again
    network = _component("encoder", encoder, input_shape=sources[0].inputs.shape[1:])
    model = pt.MultiTaskModel(network, tasks, architecture=architecture, hidden=(4,), initialization="framework", seed=0)
    options = {"threads": 1, "precision": "float32", "patience": None, **parse_options(f"training({training})")}
    run = pt.fit(model, sources, balancer, seed=0, **options)
    counted = {"relative": run.relative_score, "best_epoch": run.best_epoch, "epochs": run.epochs, "steps": run.steps, "rows": run.rows}
    return Fitted(run.model.state_dict(), run.history, {"validation": run.validation, **counted})


def verdict(frame: pd.DataFrame, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401 - arguments of `pt.verdict`
    """Return the content of verdict.json for a frame of predictions."""
    content: Mapping[str, Any] = pt.verdict(frame, **options).to_dict()
    return content


def command(arguments: Sequence[str], folder: Path, source: Path) -> None:
    """Run a polytask command from the source tree `source` in a separate process.

    Raises:
        RuntimeError: The command failed; the message has its error output.
    """
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-m", "polytask", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"polytask {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr[-2000:]}")


def _source(name: str, inputs: Any, labels: Mapping[str, Any]) -> Source:  # noqa: ANN401 - an array, texts or a frame
    if isinstance(inputs, np.ndarray):
        return Source(name, inputs, labels)
    coding = TablePreprocessor.fit(inputs) if isinstance(inputs, pd.DataFrame) else WordTokenizer.fit(inputs)
    return Source(name, coding.encode(inputs), labels, preprocessor=coding)


def _component(group: str, text: str, **arguments: Any) -> Any:  # noqa: ANN401 - a component of any group
    name, options = parse_component(group, text)
    return load_class(find(group, name))(**arguments, **{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})
