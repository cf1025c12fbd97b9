"""A trained network as a folder: the weights, and everything that is needed to predict with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polytask.architectures import ModuleNetwork, Network
from polytask.architectures.fingerprint import changed_outputs
from polytask.architectures.network.module_plan import ModulePlan
from polytask.architectures.network.network_plan import NetworkPlan
from polytask.architectures.network.plan import Plan, plan_from_dict
from polytask.data import Normalization, Preprocessor, Source, TablePreprocessor, preprocessor_from_dict
from polytask.devices import CPU, NO_FLOAT64
from polytask.errors import ConfigError, StorageError
from polytask.registry.parsing import import_paths_in
from polytask.registry.resolve import check_paths
from polytask.storage import load_state, save_state
from polytask.tasks import Task, task_from_dict
from polytask.training.fit_result import FitResult
from polytask.training.hardware import Precision
from polytask.training.inference import predict_outputs
from polytask.training.network_file import StoredNetwork, one_input, stored_network_errors
from polytask.training.preparation.prepared_data import PreparedSource, prepare_source


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, ready to predict.

    Attributes:
        plan: Specification of the network: its encoder, architecture, heads and stems, or the function that makes it.
        model: Network with its weights, in evaluation mode.
        normalizations: Per source that the network was trained on, the normalization of its inputs.
        precision: Precision of the forward pass.
        facts: Additional plain data that is stored with the network.
        codings: Per source of texts or tables, the preprocessor that turns them into inputs.
    """

    plan: Plan
    model: Network
    normalizations: Mapping[str, Normalization]
    precision: Precision
    facts: Mapping[str, Any]
    codings: Mapping[str, Preprocessor] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<TrainedNetwork of {self.plan}, predicts {', '.join(task.name for task in self.tasks)}>"

    @classmethod
    def of(cls, plan: Plan, run: FitResult) -> TrainedNetwork:
        """Return the trained network of a run, in the state in which it would be loaded from a file."""
        precision = exact_precision(replace(run.precision, device=CPU), run.model, run.preprocessors)
        return cls(plan, run.model.eval(), run.normalizations, precision, {}, run.preprocessors)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks that the network predicts."""
        return self.model.tasks

    def prepared(self, source: Source) -> PreparedSource:
        """Prepare the rows of a source with the normalization that the network was trained with."""
        return prepare_source(source, self.tasks, self.normalizations[source.name])

    def outputs(self, source: PreparedSource, tasks: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Return the outputs (N, task.outputs) per task for all rows of a source; by default of the tasks that it labels."""
        return predict_outputs(self.model, source.rows, self.precision, tasks)

    def outputs_for(self, source: str, inputs: Any) -> dict[str, Tensor]:  # noqa: ANN401 - an array, texts, or a table
        """Return the outputs (N, task.outputs) of every task for new inputs of a source.

        Args:
            source: Name of a source that the network was trained on.
            inputs: Inputs in the form of that source: an array, a dict of arrays, or raw texts or a raw table.

        Raises:
            ConfigError: The network was not trained on this source.
        """
        if source not in self.normalizations:
            known = ", ".join(self.normalizations)
            raise ConfigError("the network was not trained on this source", where=repr(source), remedy=f"Choose from: {known}")
        coding = self.codings.get(source)
        coded = inputs if coding is None else coding.encode(inputs)
        prepared = prepare_source(Source(source, coded, {}, preprocessor=coding), (), self.normalizations[source])
        return self.outputs(prepared, tuple(task.name for task in self.tasks))


def save_network(folder: Path, plan: Plan, run: FitResult, facts: Mapping[str, Any]) -> None:
    """Save a trained network to a folder, together with additional facts (plain data)."""
    save_state(
        folder,
        {
            "weights": run.model.state_dict(),
            "plan": {**plan.without_initialization().to_dict(), **run.model.learned_plan()},
            "tasks": [task.to_dict() for task in run.tasks],
            "normalizations": {name: normalization.to_dict() for name, normalization in run.normalizations.items()},
            "precision": {"name": run.precision.name, "channels_last": run.precision.channels_last},
            "facts": facts,
            "codings": {name: coding.to_dict() for name, coding in run.preprocessors.items()},
            "fingerprint": run.model.fingerprint() if isinstance(run.model, ModuleNetwork) else {},
        },
    )


def load_network(folder: Path, components: Collection[Callable[..., Any]] = (), device: torch.device = CPU) -> TrainedNetwork:
    """Load a network that `save_network` has saved. Nothing is imported that only the file names.

    Args:
        folder: Folder of the network.
        components: Classes of unregistered components, and functions that make networks. Import paths in the file may only name these.
        device: Device on which it predicts, whatever the device on which it was trained.

    Raises:
        StorageError: A file is missing or damaged.
        ConfigError: A component is neither registered nor in `components` (the message names all that are missing), or the function that
            makes the network makes another one now.
    """
    state = load_state(folder)
    with stored_network_errors(folder):
        stored = StoredNetwork.model_validate(state)
        plan = plan_from_dict(state["plan"])
        kinds = [path for task in stored.tasks for path in import_paths_in(task.kind)]
        check_paths([*plan.import_paths, *kinds], components, where=str(folder))
        tasks = [task_from_dict(task, [one for one in components if isinstance(one, type)]) for task in state["tasks"]]
        if isinstance(plan, NetworkPlan):
            plan.check_size(tasks, components, stored.weights)
    with torch.random.fork_rng(devices=()), _own_code_or(isinstance(plan, ModulePlan), folder):
        model = plan.build(tasks, 0, components)
    try:
        model.load_state_dict(stored.weights)
    except RuntimeError as error:
        found = str(error).splitlines()[-1].strip()
        remedy = "Use the code that it was trained with"
        raise ConfigError("the weights do not fit the network that is made now", where=str(folder), found=found, remedy=remedy) from None
    if isinstance(model, ModuleNetwork) and (found := changed_outputs(stored.fingerprint, model.fingerprint())):
        remedy = "Restore the code that it was trained with, or delete the run and train again"
        raise ConfigError("the model is not the one that trained these weights", where=str(folder), found=found, remedy=remedy)
    with stored_network_errors(folder):
        return _with_values(plan, model, stored, state, device)


def _own_code_or(users_code: bool, folder: Path) -> AbstractContextManager[None]:
    """Return the context in which a network is built: errors of a user's function keep their form."""
    return nullcontext() if users_code else stored_network_errors(folder)


def _with_values(plan: Plan, model: Network, stored: StoredNetwork, state: Mapping[str, Any], device: torch.device) -> TrainedNetwork:
    """Return a loaded network with its normalizations and preprocessors, after trying it with one input per source.

    Raises:
        StorageError: A normalization does not have a value per channel or feature.
    """
    precision = Precision(**stored.precision.model_dump(), device=device)
    precision.format_model(model)
    for name, numbers in stored.normalizations.items():
        if not numbers.fits(plan.input_shape_of(name)):
            found = f"{len(numbers.mean)} for inputs of shape {plan.input_shape_of(name)}"
            raise StorageError("a normalization has one value per channel or feature", where=f"source {name!r}", found=found)
    normalizations = {name: Normalization.from_dict(values) for name, values in state["normalizations"].items()}
    codings = {name: preprocessor_from_dict(values) for name, values in state["codings"].items()}
    network = TrainedNetwork(plan, model.eval(), normalizations, exact_precision(precision, model, codings), stored.facts, codings)
    for name in () if isinstance(plan, ModulePlan) else normalizations:
        if (example := one_input(codings.get(name), plan.input_shape_of(name))) is not None:
            outputs = network.outputs_for(name, example)
            for task in network.tasks:
                task.prediction_columns(task.predict(outputs[task.name]).values)
    return network


def exact_precision(precision: Precision, model: Network, codings: Mapping[str, Preprocessor]) -> Precision:
    """Return the precision for prediction, and convert a network whose sources are all tables to float64 if it accepts that.

    In float64 the prediction for a row does not depend on the other rows of its batch.
    """
    tables = codings and all(isinstance(coding, TablePreprocessor) for coding in codings.values())
    if not tables or not model.accepts_float64() or precision.device.type in NO_FLOAT64:
        return precision
    model.double()
    return replace(precision, name="float64", channels_last=False)
