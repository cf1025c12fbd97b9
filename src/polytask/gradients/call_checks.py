"""Checks of how `Backward` is constructed and called."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.distributed import ProcessGroup

from polytask.balancing import Balancer
from polytask.errors import ConfigError, PolytaskError
from polytask.gradients.loss_accumulator import Losses
from polytask.gradients.primitives.reachability import Shared
from polytask.registry.resolve import described

_LOG = logging.getLogger("polytask")

PATIENCE = 100
"""Number of steps after which a task that has never appeared is mentioned."""


def check_construction(
    tasks: Sequence[str], shared: Shared | None, model: nn.Module | None, scaler: GradScaler | None, group: ProcessGroup | None
) -> None:
    """Check the arguments of `Backward`, by themselves and against each other.

    Raises:
        ConfigError: `tasks` is no list of names, is empty or has a duplicate; `model` is no module, `scaler` no `GradScaler` or `group` no
            process group; or `group` is given without `shared` and `model`.
    """
    if isinstance(tasks, str):
        raise ConfigError("a list of names is needed", where="tasks", found=repr(tasks), remedy=f"Write tasks=[{tasks!r}] for one task")
    given: object = tasks
    if isinstance(given, bytes) or not isinstance(given, Sequence | Mapping):
        raise ConfigError("a list of names is needed, in a fixed order", where="tasks", found=described(tasks))
    foreign = [task for task in tasks if not isinstance(task, str) or not task]
    if foreign:
        raise ConfigError("a list of names is needed", where="tasks", found=described(foreign[0]), remedy="Give the name of every task")
    if not tasks or len(set(tasks)) < len(tasks):
        raise ConfigError("`tasks` must be non-empty and unique", where="tasks", found=tuple(tasks))
    for value, kind, where in ((model, nn.Module, "model"), (scaler, GradScaler, "scaler"), (group, ProcessGroup, "group")):
        if value is not None and not isinstance(value, kind):
            raise ConfigError(f"an object of class {kind.__name__} is needed, or None", where=where, found=described(value))
    if group is not None and (shared is None or model is None):
        remedy = "Pass shared= and model=, the same in every process"
        raise ConfigError("several processes need the shared parameters and the model", where="group", remedy=remedy)


def check_call(losses: object, batches: object, features: object, *, retain_graph: object) -> tuple[Tensor, ...]:
    """Check the arguments of a call of `Backward`, and return the representations.

    Raises:
        ConfigError: `losses` is neither a mapping nor a function, `batches` no sequence or given together with a mapping of losses,
            `features` no tensor or sequence of tensors, or `retain_graph` no bool.
    """
    if not isinstance(retain_graph, bool):
        raise ConfigError("True or False is needed", where="retain_graph", found=described(retain_graph))
    if isinstance(losses, Mapping):
        if not isinstance(batches, Sequence) or len(batches):
            remedy = "Pass representations as features=, or a function that returns the losses of a batch in place of the losses"
            raise ConfigError("the losses are given already", where="batches", found=described(batches), remedy=remedy)
    elif not callable(losses):
        remedy = "Write {'name': loss, …}"
        raise ConfigError("a loss per task name is needed, or a function", where="losses", found=described(losses), remedy=remedy)
    elif isinstance(batches, str | bytes) or not isinstance(batches, Sequence):
        raise ConfigError("a list of batches is needed", where="batches", found=described(batches), remedy="Write [batch] for one batch")
    if features is None:
        return ()
    given = (features,) if isinstance(features, Tensor) else tuple(features) if isinstance(features, Sequence) else (features,)
    foreign = [feature for feature in given if not isinstance(feature, Tensor)]
    if foreign:
        raise ConfigError("a tensor or a list of tensors is needed", where="features", found=described(foreign[0]))
    return given


def called(function: Callable[..., Any], *arguments: object, where: str) -> Any:  # noqa: ANN401 - what the user's function returns
    """Call a function of the user.

    Raises:
        ConfigError: `function` does not take these arguments.
    """
    try:
        return function(*arguments)
    except TypeError:
        try:
            inspect.signature(function).bind(*arguments)
        except ValueError:  # a function without a signature
            pass
        except TypeError as error:
            needed = "one argument, a batch," if arguments else "no arguments"
            raise ConfigError(f"a function of {needed} is needed", where=where, found=str(error)) from None
        raise


def losses_of(closure: Callable[[Any], Losses], batch: object) -> Losses:
    """Return the losses of a batch.

    Raises:
        ConfigError: `closure` does not take one argument, or does not return a mapping.
    """
    found = called(closure, batch, where="losses")
    if not isinstance(found, Mapping):
        remedy = "Return {'name': loss, …}"
        raise ConfigError("the function must return a loss per task name", where="losses", found=described(found), remedy=remedy)
    return found


def penalty_of(given: object) -> Tensor | None:
    """Return a penalty that is given as a scalar, or as a function that returns one.

    Raises:
        ConfigError: The penalty is no real tensor of one element, or the function takes arguments.
    """
    penalty = given if isinstance(given, Tensor) or not callable(given) else called(given, where="penalty")
    if penalty is None:  # what the function returns where there is none
        return None
    if not isinstance(penalty, Tensor) or penalty.numel() != 1 or penalty.is_complex() or penalty.is_meta:
        found = f"shape {tuple(penalty.shape)}, {penalty.dtype}" if isinstance(penalty, Tensor) else described(penalty)
        raise ConfigError("a scalar tensor is needed, or a function that returns one", where="penalty", found=found)
    return penalty


def kind_of(balancer: Balancer) -> str:
    """Return the class of a balancer, with the classes of the balancers that it wraps.

    Example:
        >>> from polytask.balancing.factory import balancer_named
        >>> kind_of(balancer_named("smooth-weights:upgrad"))
        'SmoothWeights:UPGrad'
    """
    inner, own = getattr(balancer, "balancer", None), type(balancer).__name__
    return f"{own}:{kind_of(inner)}" if isinstance(inner, Balancer) else own


@contextmanager
def reading_state(state: object, balancer: Balancer, tasks: Sequence[str]) -> Iterator[None]:
    """Check that a state belongs to the balancer, and turn errors of reading it into one line, after which the balancer is as before.

    Raises:
        ConfigError: `state` is not what `Backward.state_dict` returns, or is that of another balancer or of tasks with other names.
    """
    own, remedy = kind_of(balancer), "Pass what Backward.state_dict() returned"
    if not isinstance(state, Mapping) or "step" not in state or "balancer" not in state:
        raise ConfigError("a state of Backward is needed", where="load_state_dict", found=described(state), remedy=remedy)
    if state.get("type", own) != own:
        raise ConfigError("the state must be that of the same balancer", where="load_state_dict", found=f"{state['type']}, not {own}")
    saved = list(state.get("tasks", tasks))
    if not (set(saved) <= set(tasks) or set(saved) >= set(tasks)):
        raise ConfigError("the state must be that of the same tasks", where="load_state_dict", found=", ".join(map(repr, saved)))
    before = balancer.state_dict()
    try:
        yield
    except (PolytaskError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        balancer.load_state_dict(before)
        if isinstance(error, PolytaskError):
            raise
        found = " ".join(str(error).split())
        raise ConfigError("a state of Backward is needed", where="load_state_dict", found=found, remedy=remedy) from error


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


def tell_of_missing_tasks(tasks: Sequence[str], met: set[str]) -> None:
    """Log, after the first steps, that tasks have not appeared in them."""
    if not met.issuperset(tasks):
        names = ", ".join(repr(task) for task in tasks if task not in met)
        _LOG.warning("No loss of %s in the first %d steps: an absent task is not trained. Is this its name?", names, PATIENCE)
