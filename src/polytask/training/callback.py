"""Callbacks, which are called during training."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from polytask.errors import ConfigError
from polytask.gradients import Report
from polytask.registry import Component, call_of
from polytask.registry.registered import spec_of
from polytask.registry.resolve import described, resolve
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.preparation.batch import Batch


class Callback(Component):
    """Base class of callbacks, which observe a network during training. Every hook does nothing unless it is overridden.

    The hooks are called in this order: `on_fit_begin`; per epoch `on_step_begin` and `on_step_end` of every step, `epoch_values` and
    `on_epoch_end`; and `on_fit_end`. A callback must not change weights, buffers, gradients or random generators. Its state is saved with
    that of the run, so that an interrupted run continues as if it had not been interrupted.

    Example:
        >>> class Count(Callback):
        ...     def __init__(self) -> None:
        ...         self.steps = 0
        ...     def on_step_begin(self, loop, batches) -> None:
        ...         self.steps += 1
        ...     def results(self):
        ...         return {"steps": self.steps}
        ...     def state_dict(self):
        ...         return {"steps": self.steps}
        ...     def load_state_dict(self, state) -> None:
        ...         self.steps = state["steps"]
        >>> import numpy as np
        >>> import polytask as pt
        >>> source = pt.Source("toy", np.ones((40, 2), "float32"), {"y": np.arange(40.0)})
        >>> model = pt.MultiTaskModel(pt.encoders.MLP((2,)), (pt.tasks.Regression(name="y"),))
        >>> pt.fit(model, [source], epochs=2, batch_size=16, callbacks=[Count()]).callback_results
        {'count': {'steps': 4}}
    """

    component_group = "callback"
    component_context = ("tasks",)

    @property
    def saved_within_epochs(self) -> bool:
        """Whether a checkpoint may be written between two steps of an epoch.

        A callback that is called at every step and has no `state_dict` may keep values of the epoch to itself: then checkpoints are
        written between epochs only. Define it as a property to say otherwise.
        """
        own = type(self)
        at_steps = own.on_step_begin is not Callback.on_step_begin or own.on_step_end is not Callback.on_step_end
        return not at_steps or own.state_dict is not Callback.state_dict

    def on_fit_begin(self, loop: TrainingLoop) -> None:
        """Run before the first step of a session; a run that goes on from a checkpoint has several sessions.

        Args:
            loop: Training loop, with the network and its state.
        """

    def on_step_begin(self, loop: TrainingLoop, batches: Mapping[str, Batch]) -> None:
        """Run before every training step. In a block `with loop.state.averaged():` the network has its averaged weights.

        Args:
            loop: Training loop, with the network and its state.
            batches: Per source, the rows of the step.
        """

    def on_step_end(self, loop: TrainingLoop, report: Report) -> None:
        """Run after every training step, when the weights have moved.

        Args:
            loop: Training loop, with the network and its state.
            report: Losses and weights of the step.
        """

    def epoch_values(self) -> Mapping[str, Mapping[str, float]]:
        """Return values of an epoch for the history, by name and task. The network then has the averaged weights that are validated."""
        return {}

    def on_epoch_end(self, loop: TrainingLoop) -> None:
        """Run after every epoch, when it is validated and its values are in `loop.state.history`.

        Args:
            loop: Training loop, with the network and its state.
        """

    def on_fit_end(self, loop: TrainingLoop) -> None:
        """Run at the end of a session, also of one that an error ends.

        Args:
            loop: Training loop, with the network and its state.
        """

    def results(self) -> Mapping[str, Any]:
        """Return the results so far, as plain data; the run's `callback_results` hold them under the callback's name."""
        return {}

    def identity(self) -> Mapping[str, Any]:
        """Return the configuration as plain data. A checkpoint can only be continued with callbacks of the same configuration."""
        return {"call": repr(call_of(self))}

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dictionaries of tensors and plain data. It is asked for between any two steps of an epoch."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `state_dict`."""


def make_callbacks(given: Sequence[str | type[Callback] | Callback], tasks: Sequence[str]) -> dict[str, Callback]:
    """Return callback objects, by name, for names, classes and objects.

    Args:
        given: Callbacks as the user gives them.
        tasks: Names of all tasks, for callbacks with an argument `tasks`.

    Raises:
        ConfigError: A name is unknown, a value is not a callback, or two callbacks have the same name.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError("a list of callbacks is needed", where="callbacks", found=described(given), remedy="Write callbacks=[...]")
    made = []
    for one in given:
        found = resolve("callback", one, where="callbacks")
        told = {"tasks": tuple(tasks)} if "tasks" in inspect.signature(found.cls).parameters else {}
        made.append(found.build(**told) if found.object is None else found.object)
    return _by_name(made)


def _by_name(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """Return callbacks by their names, under which their states and results are stored.

    Raises:
        ConfigError: Two callbacks have the same name.
    """
    named = {spec_of(type(callback), "callback").name: callback for callback in callbacks}
    if len(named) < len(callbacks):
        found = ", ".join(map(repr, callbacks))
        raise ConfigError("callbacks must have different names", where="callbacks", found=found, remedy="Use a different class for each")
    return named
