"""Networks of all targets as an arm: joint, or one per target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polytask.balancing.choose_default import default_balancer
from polytask.data import Source, TablePreprocessor
from polytask.options import make_training_options
from polytask.options.training_presets import preset_training_options
from polytask.table_arms.table_model_base import Floats
from polytask.tasks import Task
from polytask.training import fit
from polytask.training.fit_result import FitResult
from polytask.training.preparation.default_model import plan_network
from polytask.training.trained_network import TrainedNetwork

PROPER = "log-loss"
"""Selection metric of tasks with classes: accuracy has as many values as there are validation rows."""
ENCODER: Mapping[str, Any] = {"number_encoding": "piecewise", "dropout": 0.1}
"""Options of the encoder of tables with fewer numbers than `MANY_NUMBERS`."""
MANY_NUMBERS = 100


@dataclass
class NetworkArm:
    """One or several networks with the default options of a table.

    Attributes:
        apart: Whether each task has a network of its own.
        preset: Training budget.
        networks: Trained networks.
        runs: Their plans and results, from which they are saved.
    """

    apart: bool = False
    preset: str = "standard"
    networks: list[TrainedNetwork] = field(default_factory=list)
    runs: list[tuple[Any, FitResult]] = field(default_factory=list)

    name: ClassVar[str] = "network"

    def fit(self, source: Source, tasks: Sequence[Task], seed: int) -> None:
        """Train the networks on the rows of a source."""
        groups = [[task] for task in tasks] if self.apart else [list(tasks)]
        for own in groups:
            chosen = tuple(_with_proper_selection(task) for task in own)
            names = {task.name for task in own}
            part = replace(
                source,
                labels={name: labels for name, labels in source.labels.items() if name in names},
                weights=None if source.weights is None else {name: w for name, w in source.weights.items() if name in names},
            )
            options = {"threads": 1, "averaging": 3.0, **preset_training_options(self.preset, len(part)), "optimizer": "AdamW"}
            plan = plan_network([part], "tabular", _encoder_options(part), hidden=())
            balancer = default_balancer({task.name: task.weight for task in chosen}, None)
            run = fit(plan.build(chosen, seed), [part], balancer, seed=seed, options=make_training_options(**options))
            self.networks.append(TrainedNetwork.of(plan, run))
            self.runs.append((plan, run))

    def outputs(self, source: Source) -> dict[str, Floats]:
        """Return the raw outputs of each task for the rows of a source: probabilities, or numbers."""
        return network_outputs(self.networks, source)


def network_outputs(networks: Sequence[TrainedNetwork], source: Source) -> dict[str, Floats]:
    """Return probabilities (N, C), or numbers (N,), of each task of several networks for the rows of a source."""
    found = {}
    for network in networks:
        (name,) = network.normalizations  # rows to predict are rows of the one source that it was trained on, however they are called
        plain = Source(name, source.inputs, {}, preprocessor=source.preprocessor)
        outputs = network.outputs(network.prepared(plain), tuple(task.name for task in network.tasks))
        for task in network.tasks:
            values, probabilities = task.predict(outputs[task.name])
            found[task.name] = np.asarray(values if probabilities is None else probabilities, dtype=np.float64)
    return found


def _encoder_options(source: Source) -> dict[str, Any]:
    few = isinstance(source.preprocessor, TablePreprocessor) and source.inputs.shape[1] < MANY_NUMBERS
    return dict(ENCODER) if few else {"dropout": 0.1}


def _with_proper_selection(task: Task) -> Task:
    """Return a task whose best epoch is chosen by its proper score, unless it says otherwise."""
    known = {metric if isinstance(metric, str) else metric.name for metric in task.available_metrics}
    return replace(task, selection_metric=PROPER) if PROPER in known and task.selection_metric is None else task


def codes_as_floats(task: Task, labels: NDArray[Any]) -> Floats:
    """Return labels (N,) in the encoding of metrics as numbers, NaN where there is none."""
    there = task.labeled_rows(labels)
    found = np.full(len(labels), np.nan)
    found[there] = task.metric_targets(labels[there])
    return found
