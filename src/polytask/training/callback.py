"""What is called while a network is trained."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polytask.errors import ConfigError
from polytask.registry import Component, call_of
from polytask.registry.registered import spec_of
from polytask.registry.resolve import described, resolve

if TYPE_CHECKING:
    from polytask.training.loop.training_loop import TrainingLoop
    from polytask.training.preparation.prepared_data import Batch


class Callback(Component):
    """Base of what looks at a network while it is trained. Every hook does nothing unless it is overridden.

    A callback leaves no trace in the network: not in weights, buffers, gradients or generators. What it remembers is part of the state of
    the run, so that a run which was interrupted goes on as if it had not been.

    Example:
        >>> class Count(Callback):
        ...     def __init__(self) -> None:
        ...         self.steps = 0
        ...     def before_step(self, loop, batches) -> None:
        ...         self.steps += 1
        ...     def found(self):
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

    def before_step(self, loop: TrainingLoop, batches: Mapping[str, Batch]) -> None:
        """Look at the network before a step, and at the rows that the step will see, per source."""

    def after_epoch(self) -> Mapping[str, Mapping[str, float]]:
        """Return what the history keeps of an epoch, by name and task."""
        return {}

    def found(self) -> Mapping[str, Any]:
        """Return what has been found so far, as plain data: it stands in the run's `observed` under the callback's name."""
        return {}

    def identity(self) -> Mapping[str, Any]:
        """Return what it looks at, as plain data: a run goes on only with the callbacks that it was begun with."""
        return {"call": repr(call_of(self))}

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers: nested dictionaries of tensors and plain data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""


def make_callbacks(given: Sequence[str | type[Callback] | Callback], tasks: Sequence[str]) -> tuple[Callback, ...]:
    """Return the callbacks that were named, or given as classes or objects.

    Raises:
        ConfigError: An unknown name, something that is no callback, or two of one name.
    """
    if isinstance(given, str | type | Callback):
        raise ConfigError("callbacks are a list", where="callbacks", found=described(given), remedy="Write callbacks=[...]")
    made = []
    for one in given:
        found = resolve("callback", one, where="callbacks")
        told = {"tasks": tuple(tasks)} if "tasks" in inspect.signature(found.cls).parameters else {}
        made.append(found.build(**told) if found.object is None else found.object)
    by_name(made)
    return tuple(made)


def by_name(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """Return callbacks by their names, under which their state and what they find are kept.

    Raises:
        ConfigError: Two have one name.
    """
    named = {spec_of(type(callback), "callback").name: callback for callback in callbacks}
    if len(named) < len(callbacks):
        found = ", ".join(map(repr, callbacks))
        raise ConfigError("callbacks have different names", where="callbacks", found=found, remedy="Give each a class of its own")
    return named
