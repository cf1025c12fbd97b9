"""A trained network as a folder: weights, and all that is needed to use them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polytask.architectures import MultiTaskModel, NetworkPlan
from polytask.data import Normalization, Preprocessor, Source, TablePreprocessor, preprocessor_from_dict
from polytask.errors import ConfigError
from polytask.storage import load_state, save_state
from polytask.tasks import Task, task_from_dict
from polytask.training.fit_result import FitResult
from polytask.training.hardware import Precision
from polytask.training.inference import predict_outputs
from polytask.training.preparation.prepared_data import PreparedSource, prepare_source


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that predicts.

    Attributes:
        plan: What it is made of.
        model: With its weights.
        normalizations: Per source that it knows.
        precision: Of the forward pass.
        facts: What else was stored with it.
        codings: Per source of texts or tables, what turns them into inputs.
    """

    plan: NetworkPlan
    model: MultiTaskModel
    normalizations: Mapping[str, Normalization]
    precision: Precision
    facts: Mapping[str, Any]
    codings: Mapping[str, Preprocessor] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Network of {self.plan.encoder} and {self.plan.architecture}, predicts {', '.join(task.name for task in self.tasks)}>"

    @classmethod
    def of(cls, plan: NetworkPlan, run: FitResult) -> TrainedNetwork:
        """A network that has just been trained, as it would come back from a file."""
        precision = exact_precision(run.precision, run.model, run.preprocessors)
        return cls(plan, run.model.eval(), run.normalizations, precision, {}, run.preprocessors)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it predicts."""
        return self.model.tasks

    def prepared(self, source: Source) -> PreparedSource:
        """A source's rows, with the statistics that the network was trained with."""
        return prepare_source(source, self.tasks, self.normalizations[source.name])

    def outputs(self, source: PreparedSource, tasks: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Outputs (N, task.outputs) per task, for all rows of a source."""
        return predict_outputs(self.model, source.rows, self.precision, tasks)

    def outputs_for(self, source: str, inputs: Any) -> dict[str, Tensor]:  # noqa: ANN401 - an array, texts, or a table
        """Outputs (N, task.outputs) of every task, for inputs such as that source has: texts and tables as they are.

        Raises:
            ConfigError: A source that the network was not trained on.
        """
        if source not in self.normalizations:
            known = ", ".join(self.normalizations)
            raise ConfigError("the network was not trained on this source", where=repr(source), remedy=f"It knows {known}")
        coding = self.codings.get(source)
        coded = np.asarray(inputs) if coding is None else coding.encode(inputs)
        prepared = prepare_source(Source(source, coded, {}, preprocessor=coding), (), self.normalizations[source])
        return self.outputs(prepared, tuple(task.name for task in self.tasks))


def save_network(folder: Path, plan: NetworkPlan, run: FitResult, facts: Mapping[str, Any]) -> None:
    """Write a trained network, with facts (plain data) that shall stand beside it."""
    save_state(
        folder,
        {
            "weights": run.model.state_dict(),
            "plan": {**plan.without_initialization().to_dict(), "architecture": run.model.architecture_spec},
            "tasks": [task.to_dict() for task in run.tasks],
            "normalizations": {name: normalization.to_dict() for name, normalization in run.normalizations.items()},
            "precision": {"name": run.precision.name, "channels_last": run.precision.channels_last},
            "facts": facts,
            "codings": {name: coding.to_dict() for name, coding in run.preprocessors.items()},
        },
    )


def load_network(folder: Path, components: Collection[type] | None = ()) -> TrainedNetwork:
    """Read what `save_network` wrote.

    Args:
        folder: That was written.
        components: Classes of its parts that are not registered: import paths in the file name these alone. None follows all of them,
            which lets whoever has written the file run any code that is installed.

    Raises:
        StorageError: A file is missing or damaged.
        ConfigError: A part that is neither registered nor among the components.
    """
    state = load_state(folder)
    plan = NetworkPlan.from_dict(state["plan"])
    with torch.random.fork_rng(devices=()):
        model = plan.build([task_from_dict(task, components) for task in state["tasks"]], 0, components)
    model.load_state_dict(state["weights"])
    precision = Precision(**state["precision"])
    precision.format_model(model)
    normalizations = {name: Normalization.from_dict(values) for name, values in state["normalizations"].items()}
    codings = {name: preprocessor_from_dict(values) for name, values in state["codings"].items()}
    return TrainedNetwork(plan, model.eval(), normalizations, exact_precision(precision, model, codings), state["facts"], codings)


def exact_precision(precision: Precision, model: MultiTaskModel, codings: Mapping[str, Preprocessor]) -> Precision:
    """Networks of tables predict in float64: a row's prediction then does not depend on which rows are predicted beside it."""
    if not codings or not all(isinstance(coding, TablePreprocessor) for coding in codings.values()):
        return precision
    model.double()
    return Precision("float64", channels_last=False)
