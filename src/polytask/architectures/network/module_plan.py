"""Plans of networks that users' functions make: plain data from which the same network can be built again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn

from polytask.architectures.network.input_form import InputForm
from polytask.architectures.network.module_network import ModuleNetwork
from polytask.architectures.own_memory import take_own_memory
from polytask.encoders.initial_weights import seeded
from polytask.errors import ConfigError, PolytaskError, first_line
from polytask.registry.model_factories import factory_at, read_factory
from polytask.registry.resolve import described
from polytask.seeds import derive_seed
from polytask.tasks import Task

_made: WeakValueDictionary[int, nn.Parameter] = WeakValueDictionary()
"""Parameters of the networks that factories have made in this process, by their id."""


@dataclass(frozen=True)
class ModulePlan:
    """Plan of a network that a user's function makes.

    Attributes:
        model: Import path of the function or class, with its options; called as `make(tasks=…, seed=…)`.
        inputs: Form of the inputs of each source, by source.

    Example:
        >>> plan = ModulePlan("mypkg.nets:make(width=8)", {"table": InputForm((4,), ("churn",))})
        >>> ModulePlan.from_dict(plan.to_dict()) == plan
        True
    """

    model: str
    inputs: Mapping[str, InputForm]

    def __str__(self) -> str:
        return self.model

    def build(self, tasks: Sequence[Task], seed: int, components: Collection[Callable[..., Any]] | None = None) -> ModuleNetwork:
        """Build a new network. PyTorch's global random generator is seeded for the function, and restored afterwards.

        Args:
            tasks: Tasks that the network predicts.
            seed: Root seed.
            components: Only functions and classes that the import path may name, for plans that come from a file; `None` imports it.

        Raises:
            ConfigError: The function cannot be imported, raises an error, or returns a module that it has returned before, or one that
                is no network for these tasks.
        """
        path, options = read_factory(self.model)
        where = f"model {path}"
        make = factory_at(path, where, components)
        with seeded(derive_seed(seed, "initialisation", "model")):
            try:
                module = make(tasks=tuple(tasks), seed=seed, **options)
            except PolytaskError:
                raise
            except (Exception, SystemExit) as error:
                names = ", ".join(task.name for task in tasks)
                raise ConfigError(f"making the network for {names} fails", where=where, found=first_line(error)) from error
            if not isinstance(module, nn.Module):
                raise ConfigError("the function must return a torch.nn.Module", where=where, found=described(module))
            take_own_memory(module)
            network = ModuleNetwork(module, tasks, self.inputs, where)
        _check_new(module, where)
        return network

    def check(self, tasks: Sequence[Task]) -> None:
        """Build the network of all tasks twice, and check that its weights depend on the seed alone, and that it works in training mode.

        Raises:
            ConfigError: They differ, `build` fails, or outputs have another form in training mode.
        """
        one, other = (self.build(tasks, 0) for _ in range(2))
        first, second = one.state_dict(), other.state_dict()
        different = [name for name, tensor in first.items() if name not in second or not torch.equal(tensor, second[name])]
        if different or first.keys() != second.keys():
            found = ", ".join(name.removeprefix("module.") for name in different) or "other parameters"
            remedy = "Draw random numbers from PyTorch's global generator, or from one that is seeded with `seed`"
            raise ConfigError("the same seed must give the same weights", where=f"model {self.model}", found=found, remedy=remedy)
        other.check_training_mode()

    @property
    def import_paths(self) -> tuple[str, ...]:
        """Import path of the function."""
        return (read_factory(self.model)[0],)

    def components(self) -> tuple[Callable[..., Any], ...]:
        """Import the function.

        Raises:
            ConfigError: It cannot be imported.
        """
        return tuple(map(factory_at, self.import_paths))

    def with_parts(self, architecture: str, encoder: str | Mapping[str, Any], where: str) -> ModulePlan:
        """Return the plan itself: the network has no parts that can be named.

        Raises:
            ConfigError: An architecture or an encoder is given.
        """
        if architecture or encoder:
            remedy = "Leave it out, or leave `model` out for a network of polytask"
            raise ConfigError("a model of your own has no such part", where=where, found=architecture or encoder, remedy=remedy)
        return self

    def without_initialization(self) -> ModulePlan:
        """Return the plan itself."""
        return self

    def without_tasks(self, absent_tasks: Collection[str]) -> ModulePlan:
        """Return the plan itself: the function is told the tasks."""
        del absent_tasks
        return self

    def for_sources(self, sources: Sequence[str]) -> ModulePlan:
        """Return the plan of a network for these sources only."""
        return replace(self, inputs={source: form for source, form in self.inputs.items() if source in sources})

    def input_shape_of(self, source: str) -> Any:  # noqa: ANN401 - a shape, or shapes by name
        """Return the shape of one input of a source, or the shape of each entry by name."""
        return self.inputs[source].input_shape

    def to_dict(self) -> dict[str, Any]:
        """Convert the plan to plain data."""
        return {"model": self.model, "inputs": {source: form.to_dict() for source, form in self.inputs.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModulePlan:
        """Create a plan from the result of `to_dict`."""
        return cls(str(data["model"]), {source: InputForm.from_dict(form) for source, form in data["inputs"].items()})


def _check_new(module: nn.Module, where: str) -> None:
    """Check that no network that exists has a parameter of a new one: training one of them would change the other.

    Raises:
        ConfigError: One has.
    """
    for name, parameter in module.named_parameters():
        if _made.get(id(parameter)) is parameter:
            remedy = "Make new modules in every call; copy.deepcopy copies one with its weights"
            raise ConfigError("a network shares a parameter with one that was made before", where=where, found=name, remedy=remedy)
    _made.update({id(parameter): parameter for parameter in module.parameters()})
