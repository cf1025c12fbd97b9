"""Checks of how `Backward` is constructed and called."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.distributed import ProcessGroup

from polytask.errors import ConfigError
from polytask.gradients.loss_accumulator import Losses
from polytask.gradients.primitives.reachability import Shared

_LOG = logging.getLogger("polytask")

PATIENCE = 100
"""Number of steps after which a task that has never appeared is mentioned."""


def check_construction(tasks: Sequence[str], group: ProcessGroup | None, shared: Shared | None, model: nn.Module | None) -> None:
    """Check the arguments of `Backward` against each other.

    Raises:
        ConfigError: `tasks` is no list, is empty or has a duplicate, or `group` is given without `shared` and `model`.
    """
    if isinstance(tasks, str):
        raise ConfigError("a list of names is needed", where="tasks", found=repr(tasks), remedy=f"Write tasks=[{tasks!r}] for one task")
    if not tasks or len(set(tasks)) < len(tasks):
        raise ConfigError("`tasks` must be non-empty and unique", where="tasks", found=tuple(tasks))
    if group is not None and (shared is None or model is None):
        remedy = "Pass shared= and model=, the same in every process"
        raise ConfigError("several processes need the shared parameters and the model", where="group", remedy=remedy)


def losses_with_graphs(losses: Losses, model: nn.Module | None) -> Losses:
    """Return the losses that have a graph: a constant, such as torch.tensor(0.0) for a task without labels, is an absent task.

    Args:
        losses: Losses of a step.
        model: The network, if it is known: if it is frozen, losses without a graph are no mistake.

    Raises:
        ConfigError: No loss has a graph.
    """
    kept: Mapping[str, object] = {task: loss for task, loss in losses.items() if not isinstance(loss, Tensor) or loss.requires_grad}
    if kept or (model is not None and not all(parameter.requires_grad for parameter in model.parameters())):
        return kept  # type: ignore[return-value]
    remedy = "Compute the losses outside of torch.no_grad(), and without .item() or .detach()"
    raise ConfigError("no loss has a graph, so that there is nothing to backpropagate", where="losses", remedy=remedy)


def forgotten_after_step() -> ConfigError:
    """Return the error for a step that begins before the last one has ended."""
    remedy = "Call it after every optimizer.step(): this balancer compares the losses before and after"
    return ConfigError("after_step() has not been called since the last step", where="Backward", remedy=remedy)


def explained(error: RuntimeError) -> RuntimeError | ConfigError:
    """Return an error of one line for a graph that is walked twice, and other errors unchanged."""
    if "backward through the graph a second time" not in str(error):
        return error
    remedy = "Compute the losses again in every step, or pass retain_graph=True to all calls but the last"
    return ConfigError("cannot go backward through the graph a second time: an earlier call has freed it", where="losses", remedy=remedy)


def tell_of_repeated_call() -> None:
    """Log that two calls were made before the optimizer moved the parameters; it may be meant."""
    _LOG.warning(
        "Backward was called twice before the parameters moved or .grad was cleared. If these are micro-batches of one step, pass counts= "
        "with the labeled units of the whole step: the balancer then sees the step as a whole, and not each part by itself."
    )


def tell_of_missing_tasks(tasks: Sequence[str]) -> None:
    """Log that tasks have not appeared in the first steps."""
    names = ", ".join(repr(task) for task in tasks)
    _LOG.warning("No loss of %s in the first %d steps: an absent task is not trained. Is this its name?", names, PATIENCE)
