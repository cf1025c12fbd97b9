"""Choice of the gradient strategy of a step from the needs of the balancer, and its explanation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import nn

from polytask.balancing import Balancer, CrossGramian, Gramian, Jacobian, Lookahead, Losses, Needs, Norms, Nothing, Representations
from polytask.errors import ConfigError
from polytask.gradients.lookahead_evaluator import LookaheadEvaluator, ReplayableBatch, mean_losses, numbered_leaves
from polytask.gradients.loss_accumulator import Counts
from polytask.gradients.primitives.flat_params import FlatParameters
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.head_vjp import Features
from polytask.gradients.step_context import StepContext
from polytask.gradients.strategies.base import GradientStrategy
from polytask.gradients.strategies.multi_batch import MultiBatch
from polytask.gradients.strategies.per_task import PerTask
from polytask.gradients.strategies.representation import ThroughRepresentation
from polytask.gradients.strategies.weighted_sum import WeightedSum

Route = Literal["sequential", "batched", "representation"]
ROUTES: tuple[Route, ...] = ("sequential", "batched", "representation")


def choose_strategy(
    needs: Needs, context: StepContext, accumulator: GradAccumulator, *, features: Features, route: Route, whole: bool
) -> GradientStrategy:
    """Return the cheapest strategy that provides what the balancer needs.

    Args:
        needs: Statistic that the balancer needs.
        context: State shared by all steps.
        accumulator: Accumulator of the gradients of the step.
        features: Representations; empty if none were given.
        route: How gradients of the shared parameters are computed, as in `Backward`.
        whole: Whether this batch is the whole step, rather than a micro-batch.

    Raises:
        ConfigError: The statistic cannot be computed from losses alone, or not in micro-batches.
    """
    last_norms = isinstance(needs, Norms) and needs.parameters == "last"
    # With micro-batches, the losses are known after the last one, when the graphs of the first are gone. Weights that depend on losses are
    # therefore applied to the Jacobian's rows, which are linear in the losses.
    if isinstance(needs, Nothing) or (whole and (last_norms or isinstance(needs, Losses))):
        return WeightedSum(context, accumulator, measures_norms=last_norms)
    if isinstance(needs, Representations) or (route == "representation" and isinstance(needs, Gramian | Norms)):
        if not whole:
            raise ConfigError("representations do not support micro-batches", where="counts", remedy="Pass the step in one batch")
        return ThroughRepresentation(context, accumulator, features, approximate=not isinstance(needs, Representations))
    if isinstance(needs, CrossGramian | Lookahead):
        raise closure_needed()
    if isinstance(needs, Gramian):
        return PerTask(context, accumulator, needs.groups, needs_gramian=True, features=features)
    if isinstance(needs, Jacobian):
        wanted = None if needs.tasks is None else frozenset(needs.tasks)
        return PerTask(context, accumulator, needs.groups, wanted=wanted, features=features)
    return PerTask(context, accumulator, features=features, last=last_norms)


def compare_batches(
    context: StepContext, replayable: Sequence[ReplayableBatch], counts: Sequence[Counts | None], model: nn.Module | None
) -> Callable[[GradAccumulator, bool], GradientStrategy]:
    """Return the choice of strategy for a step with several batches, or with losses at other values of the parameters.

    Args:
        context: State shared by all steps.
        replayable: Batches whose losses can be evaluated again.
        counts: Labeled units per task of each batch in all processes; `None` for a single process.
        model: The network, if it is known.
    """

    def choose(accumulator: GradAccumulator, whole: bool) -> GradientStrategy:
        del whole
        parts = [mean_losses(batch.losses, count) for batch, count in zip(replayable, counts, strict=True)]
        named = model.named_parameters() if model is not None else numbered_leaves(parts, context.shared).items()
        trained = {name: parameter for name, parameter in named if parameter.requires_grad}
        return MultiBatch(context, accumulator, parts, LookaheadEvaluator(context, replayable, parts, counts, trained))

    return choose


def closure_needed() -> ConfigError:
    """Return the error for losses that must be given as a function."""
    remedy = "Call backward(closure, batches) with a function that returns the losses of a batch"
    return ConfigError("this balancer evaluates losses more than once", where="Backward", remedy=remedy)


BACKWARD_PASSES = {
    Nothing: "one backward pass of the weighted sum",
    Losses: "one backward pass of the weighted sum",
    Norms: "one backward pass of the weighted sum, and one more of every head, down to the last shared layer",
    Representations: "one backward pass through the heads, and one from the representations through the trunk",
    CrossGramian: "one backward pass per task and batch, and one of the weighted sum",
    Lookahead: "one backward pass of the weighted sum, and the balancer's evaluations at other values of the parameters",
}


def explain_route(balancer: Balancer, context: StepContext, route: Route, model: nn.Module | None) -> str:
    """Return a text that says how a balancer's statistic is computed, what that costs, and which parameters are shared.

    Args:
        balancer: The balancer.
        context: State shared by all steps.
        route: How gradients of the shared parameters are computed.
        model: Network whose names the parameters have; `None` if it is not known.
    """
    needs, shared, communicator = balancer.needs(), context.shared, context.communicator
    lines = [f"{type(balancer).__name__} needs {needs}", f"computed by {_describe_passes(needs, route, len(context.tasks))}"]
    if shared is None:
        lines.append("shared parameters: found in the graphs of the first step that needs them")
    else:
        named = ", ".join(_names_of(shared, model))
        lines.append(f"shared parameters: {shared.size:,} numbers in {len(shared.parameters)} tensors: {named}".removesuffix(": "))
        if isinstance(needs, Gramian | Jacobian):
            width = torch.empty((), dtype=shared.dtype).element_size()
            lines.append(f"memory: {len(context.tasks) * shared.size * width:,} bytes for a row per task")
    if communicator.distributed:
        lines.append(f"processes: {communicator.processes}; {communicator.bytes_sent:,} bytes sent by this one so far")
    return "\n".join(lines)


def _names_of(shared: FlatParameters, model: nn.Module | None) -> list[str]:
    """Return the names of parameters: those in the model, those given, or else number and shape."""
    known = {} if model is None else {id(parameter): name for name, parameter in model.named_parameters()}
    given = zip(shared.names, shared.parameters, strict=True)
    plain = [f"tensor {name} of shape {tuple(p.shape)}" if name.isdecimal() else name for name, p in given]
    return [known.get(id(p), name) for p, name in zip(shared.parameters, plain, strict=True)]


def _describe_passes(needs: Needs, route: Route, tasks: int) -> str:
    if not isinstance(needs, Gramian | Jacobian) and needs != Norms("shared"):
        return BACKWARD_PASSES[type(needs)]
    if isinstance(needs, Jacobian) and needs.tasks is not None:
        return f"one backward pass through the trunk for {', '.join(needs.tasks)}, and the heads of the other tasks"
    ways = {
        "sequential": f"{tasks} backward passes, one per task (exact)",
        "batched": "one batched backward pass of all tasks from the representations (exact)",
        "representation": "the representations' gradients in place of the parameters' (approximate), and one backward pass",
    }
    return ways[route]
