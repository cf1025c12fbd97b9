"""Network around any PyTorch module that maps inputs to outputs per task."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from polytask.architectures.architecture import reaching_tasks
from polytask.architectures.network.input_form import InputForm
from polytask.architectures.network.network import FeaturesAndOutputs, Network, NetworkPart, largest_parts
from polytask.architectures.network.source_buffers import SourceBuffers, buffers_kept
from polytask.data.input_entries import Inputs, count_rows, map_entries, named_entries
from polytask.encoders.evaluation_mode import eval_mode, training_mode
from polytask.encoders.initial_weights import seeded
from polytask.errors import ConfigError, first_line
from polytask.registry.model_factories import takes_nothing
from polytask.registry.suggestion import nearest
from polytask.tasks import Task

TOLD = ("tasks", "source")
"""Arguments beside the inputs that a module's `forward` gets if it has parameters of these names."""

CALLED = ("penalty", "discard_penalty")
"""Methods of a module that are called if they need no arguments; others of these names are the user's own affair."""

MOST_OUTPUTS = 16
"""Number of outputs per task in a fingerprint."""


@final
class ModuleNetwork(Network):
    """Network around a PyTorch module whose `forward` maps a batch of inputs of one source to a dict of outputs by task.

    A parameter is shared if the losses of several tasks reach it, which is read off the graphs of forward passes with an example of each
    source, in evaluation and in training mode, or if no example reaches it. If `forward` has a parameter `tasks`, it is told the names of
    the tasks whose outputs are needed, and may leave out the others; if it has a parameter `source`, it is told the name of the source. If
    the module has a method `penalty` without arguments, its result is added to the losses of every step, outside the balancer.

    Args:
        module: Module, which becomes part of the network and is not copied.
        tasks: Tasks to predict.
        inputs: Form of the inputs of each source, by source.
        where: Name of the module in error messages.

    Raises:
        ConfigError: The module has no parameters, it cannot process an example of these inputs, its outputs are not a dict with
            one tensor (N, task.outputs) of finite numbers for each task, or (N, L, task.outputs) for tokens, or a task's outputs depend
            on no parameter.

    Example:
        >>> from polytask.tasks import Binary, Regression
        >>> class Net(nn.Module):
        ...     def __init__(self) -> None:
        ...         super().__init__()
        ...         self.trunk, self.churn, self.value = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 1)
        ...     def forward(self, inputs):
        ...         features = self.trunk(inputs).relu()
        ...         return {"churn": self.churn(features), "value": self.value(features)}
        >>> tasks = (Binary(name="churn"), Regression(name="value"))
        >>> network = ModuleNetwork(Net(), tasks, {"table": InputForm((4,), ("churn", "value"))})
        >>> list(network.shared_parameters())
        ['trunk.weight', 'trunk.bias']
    """

    tells_features = False

    def __init__(self, module: nn.Module, tasks: Sequence[Task], inputs: Mapping[str, InputForm], where: str = "model") -> None:
        super().__init__(tasks)
        self._where, self._forms = where, dict(inputs)
        self._task = {task.name: task for task in self.tasks}
        self.labeled = {source: tuple(task for task in form.tasks if task in self._task) for source, form in inputs.items()}
        self.module = module
        self.source_buffers = SourceBuffers()
        self._told = tuple(name for name in TOLD if name in inspect.signature(module.forward).parameters)
        self._without_arguments = tuple(name for name in CALLED if takes_nothing(getattr(module, name, None)))
        self._create_lazy_parameters()
        self._check_parameters()
        self._reach = self._tasks_by_parameter()
        self._check_reach()
        if len(self.tasks) > 1:
            # No example reaches an expert that only some data choose: the losses of all tasks may reach it.
            unknown = [name for name, parameter in module.named_parameters() if parameter.requires_grad and name not in self._reach]
            self._reach |= dict.fromkeys(unknown, tuple(self._task))

    def forward(self, inputs: Inputs, tasks: Sequence[str] | None = None, source: str = "") -> dict[str, Tensor]:
        """Compute outputs (N, task.outputs), or (N, L, task.outputs) for tokens, of each task from the inputs of one source.

        Args:
            inputs: Inputs (N, ...), or a dict of them.
            tasks: Names of the tasks to predict; `None` predicts all.
            source: Name of the source of the inputs; needed if sources have buffers of their own, or the module asks for it.

        Raises:
            ConfigError: The network has no such task, or the module's outputs have another form.
        """
        wanted = tuple(self._task) if tasks is None else tuple(tasks)
        return self.features_and_outputs(inputs, wanted, source).outputs

    def example(self, source: str) -> Inputs:
        """Return an example of one input (1, ...) of a source."""
        return self._forms[source].example(1)

    def fingerprint(self) -> dict[str, dict[str, list[float]]]:
        """Return a few outputs for two examples of each source, by source and task: other code with the same weights has other ones."""
        found: dict[str, dict[str, list[float]]] = {}
        with torch.no_grad(), seeded(0):
            for source in self.labeled:
                with self.buffers_of(source):
                    outputs = self._telling_outputs(source)
                found[source] = {task: output.float().flatten()[:MOST_OUTPUTS].tolist() for task, output in outputs.items()}
        self.discard_penalty()
        return found

    def _telling_outputs(self, source: str) -> dict[str, Tensor]:
        inputs = self._forms[source].example(2)
        if self._forms[source].values == "columns":  # zeros do not tell what is done to them; a column may not have a code 1
            with suppress(ConfigError):
                return self._example_outputs(source, torch.cat([inputs[:1], torch.ones_like(inputs[:1])]))
        return self._example_outputs(source, inputs)

    def input_module(self, source: str) -> nn.Module:
        """Return the module."""
        del source
        return self.module

    def input_shape_of(self, source: str) -> tuple[int, ...] | None:
        """Return the shape of one input of a source, or `None` if the network does not know the source or takes several inputs."""
        return self._forms[source].shape if source in self._forms and not self._forms[source].entries else None

    def tasks_reaching(self, parameter: str) -> tuple[str, ...]:
        """Return the tasks whose losses can reach a parameter of the module."""
        return self._reach.get(parameter, ())

    def shared_parameters(self, *, trainable_only: bool = True) -> dict[str, nn.Parameter]:
        """Return the parameters that more than one task's loss can reach, by name; frozen ones only with `trainable_only=False`."""
        named = {name: p for name, p in self.module.named_parameters() if len(self.tasks_reaching(name)) > 1}
        return {name: p for name, p in named.items() if p.requires_grad or not trainable_only}

    def private_parameters(self, task: str) -> list[nn.Parameter]:
        """Return the parameters that only this task's loss can reach.

        Raises:
            ConfigError: The network has no such task.
        """
        self._check_known(task)
        return [parameter for name, parameter in self.module.named_parameters() if self.tasks_reaching(name) == (task,)]

    def is_needed(self, parameter: str, tasks: Sequence[str]) -> bool:
        """Return whether the outputs of `tasks` depend on a parameter; a module may compute outputs of other tasks beside them."""
        reached_by = self.tasks_reaching(parameter.removeprefix("module."))
        return not reached_by or not set(reached_by).isdisjoint(tasks)

    def parts(self) -> tuple[NetworkPart, ...]:
        """Return the largest parts of the module whose parameters are all reached by the same tasks."""
        return tuple(largest_parts(self.module, self.tasks_reaching))

    def penalty(self) -> Tensor | None:
        """Return the result of the module's method `penalty`, or `None` if it has none that needs no arguments."""
        own = self._method("penalty")
        found: Tensor | None = None if own is None else own()
        return found

    def discard_penalty(self) -> None:
        """Call the module's method `discard_penalty` if it has one."""
        own = self._method("discard_penalty")
        if own is not None:
            own()

    def accepts_channels_last(self) -> bool:
        """Return whether the module processes an example with weights and images in the memory format `channels_last`.

        Modules that flatten images with `view` do not.
        """
        return self._still_runs(memory_format=torch.channels_last)

    def accepts_float64(self) -> bool:
        """Return whether the module processes an example in float64; modules that create tensors of float32 do not."""
        return self._still_runs(dtype=torch.float64)

    def _still_runs(self, **changed: Any) -> bool:  # noqa: ANN401 - arguments of `Tensor.to`
        copied = copy.deepcopy(self)
        copied.module.to(**changed)
        try:
            for source, form in self._forms.items():
                copied._example_outputs(source, map_entries(partial(_changed, changed), form.example(2)))
        except (RuntimeError, ConfigError):
            return False
        return True

    def _method(self, name: str) -> Callable[[], Any] | None:
        own = getattr(self.module, name, None)
        return own if inspect.ismethod(own) and name in self._without_arguments else None

    def _run(self, inputs: Inputs, tasks: Sequence[str], source: str) -> FeaturesAndOutputs:
        known = {"tasks": tuple(tasks), "source": source}
        try:
            found = self.module(inputs, **{name: known[name] for name in self._told})
        except SystemExit as error:  # it would end the program without a word on where
            remedy = "Raise another error"
            raise ConfigError("forward ends the program", where=self._where, found=first_line(error), remedy=remedy) from error
        return FeaturesAndOutputs({}, self._checked(found, tasks, inputs))

    def _checked(self, found: Any, wanted: Sequence[str], inputs: Inputs) -> dict[str, Tensor]:  # noqa: ANN401 - whatever a module returns
        """Return the outputs of the wanted tasks.

        Raises:
            ConfigError: They are not a dict with a tensor of the right shape for each wanted task, or there is an output of no task.
        """
        if not isinstance(found, Mapping):
            kind = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            remedy = f"Return {{{', '.join(f'{name!r}: …' for name in wanted)}}}"
            raise ConfigError("forward must return a dict of outputs by task", where=self._where, found=kind, remedy=remedy)
        for name in found:
            if name not in self._task:
                remedy = f"Return outputs only of the tasks that make(tasks, seed) is called with, here {', '.join(self._task)}"
                raise ConfigError("forward returns an output of no task", where=self._where, found=repr(name), remedy=remedy)
        for name in wanted:
            self._check_known(name)
            if name not in found:
                what = "forward returns no output of a task"
                raise ConfigError(what, where=f"{self._where}, task {name!r}", found=f"outputs of {', '.join(found) or 'none'}")
            self._check_output(self._task[name], found[name], inputs)
        return {name: found[name] for name in wanted}

    def _check_output(self, task: Task, output: Any, inputs: Inputs) -> None:  # noqa: ANN401 - whatever a module returns
        where = f"{self._where}, task {task.name!r}"
        if not isinstance(output, Tensor) or not output.is_floating_point():
            found = f"a tensor of {output.dtype}" if isinstance(output, Tensor) else type(output).__name__
            raise ConfigError("an output must be a tensor of real numbers", where=where, found=found)
        units = (count_rows(inputs),) if isinstance(inputs, Mapping) else tuple(inputs.shape[: 1 + task.per_token])
        if tuple(output.shape) != (*units, task.outputs):
            what = f"the output for {count_rows(inputs)} inputs must have the shape {(*units, task.outputs)}"
            raise ConfigError(what, where=where, found=tuple(output.shape))

    def _check_known(self, task: str) -> None:
        if task not in self._task:
            remedy = nearest(task, tuple(self._task))
            raise ConfigError("the network has no such task", where=f"task {task!r}", remedy=remedy)

    def _create_lazy_parameters(self) -> None:
        """Let a forward pass create the parameters of lazy modules, such as `nn.LazyLinear`."""
        if any(is_lazy(parameter) for parameter in self.module.parameters()):
            for source in self._forms:
                with torch.no_grad():
                    self._example_outputs(source)

    def _check_parameters(self) -> None:
        parameters = dict(self.module.named_parameters())
        if not parameters:
            raise ConfigError("the network has no parameters to train", where=self._where, found=type(self.module).__name__)
        for name, parameter in parameters.items():
            if parameter.device.type != "cpu":
                found, remedy = f"device {parameter.device}", "Give it on the CPU, and say with device= where it is trained"
                raise ConfigError("a network must be given on the CPU", where=f"{self._where}, {name}", found=found, remedy=remedy)
        for name, value in self.module.state_dict().items():
            if not isinstance(value, Tensor):
                remedy = "Leave out get_extra_state, or keep numbers in buffers"
                raise ConfigError(
                    "the state of a network must be tensors", where=f"{self._where}, {name}", found=type(value).__name__, remedy=remedy
                )

    def check_training_mode(self) -> None:
        """Check the outputs for an example of each source in training mode; buffers of the module may change.

        Raises:
            ConfigError: The module cannot process an example, or its outputs have another form than in evaluation mode.
        """
        with torch.random.fork_rng(devices=()), torch.no_grad():
            for source in self._forms:
                self._example_outputs(source, mode=training_mode)

    def _example_outputs(
        self, source: str, inputs: Inputs | None = None, mode: Callable[[nn.Module], AbstractContextManager[None]] = eval_mode
    ) -> dict[str, Tensor]:
        """Return the outputs of the tasks that a source labels, for an example of three rows.

        Raises:
            ConfigError: The module cannot process the example, or its outputs have another form.
        """
        example = self._forms[source].example(3) if inputs is None else inputs
        try:
            with mode(self.module):
                return self._run(example, tuple(self.labeled[source]), source).outputs
        except ConfigError:
            raise
        except Exception as error:
            where, found = f"{self._where}, source {source!r}", first_line(error)
            what = f"the network cannot process inputs of the shape {_described_inputs(example)}"
            raise ConfigError(what, where=where, found=found) from error

    def _tasks_by_parameter(self) -> dict[str, tuple[str, ...]]:
        """Return the tasks that reach each parameter, from the graphs of an example of each source in evaluation and in training mode.

        Raises:
            ConfigError: An output is not finite, or the module is compiled.
        """
        reach: dict[str, set[str]] = {}
        for source in self._forms:
            found = reaching_tasks(self.module, partial(self._finite_outputs, source))
            with buffers_kept(self.module):
                trained = reaching_tasks(self.module, partial(self._example_outputs, source, mode=training_mode), training_mode)
            for name, tasks in (*found.items(), *trained.items()):
                reach.setdefault(name, set()).update(tasks)
        self.discard_penalty()
        return {name: tuple(task for task in self._task if task in tasks) for name, tasks in reach.items()}

    def _finite_outputs(self, source: str) -> dict[str, Tensor]:
        outputs = self._example_outputs(source)
        for task, output in outputs.items():
            if not bool(torch.isfinite(output).all()):
                found = f"NaN or infinity for inputs of source {source!r}"
                raise ConfigError("outputs must be finite numbers", where=f"{self._where}, task {task!r}", found=found)
        roots = [output.grad_fn for output in outputs.values() if output.grad_fn is not None]
        if len(roots) > len(set(roots)) and any("CompiledFunction" in root.name() for root in roots):
            remedy = "Compile parts of it, such as the trunk, or nothing"
            raise ConfigError("a network that is compiled as a whole does not show what its tasks share", where=self._where, remedy=remedy)
        return outputs

    def _check_reach(self) -> None:
        """Check that the outputs of every task depend on a parameter.

        Raises:
            ConfigError: Those of a task do not.
        """
        reached = {task for tasks in self._reach.values() for task in tasks}
        for task in (task for tasks in self.labeled.values() for task in tasks):
            if task not in reached:
                what, remedy = "the outputs of this task depend on no parameter", "Leave out detach() and torch.no_grad() between them"
                raise ConfigError(what, where=f"{self._where}, task {task!r}", remedy=remedy)


def _changed(changed: Mapping[str, Any], example: Tensor) -> Tensor:
    fits = example.is_floating_point() and ("memory_format" not in changed or example.dim() == 4)
    return example.to(**changed) if fits else example


def _described_inputs(example: Inputs) -> str:
    return "".join(f"{tuple(entry.shape)} and type {entry.dtype}{name}; " for name, entry in named_entries(example)).removesuffix("; ")
