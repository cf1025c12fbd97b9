"""Which strategy a step takes, from what the balancer needs; and that in words."""

from __future__ import annotations

from typing import Literal

import torch

from polytask.balancing import Balancer, CrossGramian, Gramian, Jacobian, Lookahead, Losses, Needs, Norms, Nothing, Representations
from polytask.errors import ConfigError
from polytask.gradients.context import StepContext
from polytask.gradients.primitives.grad_accumulator import GradAccumulator
from polytask.gradients.primitives.head_vjp import Features
from polytask.gradients.strategies.base import GradientStrategy
from polytask.gradients.strategies.per_task import PerTask
from polytask.gradients.strategies.representation import ThroughRepresentation
from polytask.gradients.strategies.weighted_sum import WeightedSum

Route = Literal["sequential", "batched", "representation"]
ROUTES: tuple[Route, ...] = ("sequential", "batched", "representation")


def choose_strategy(
    needs: Needs, context: StepContext, accumulator: GradAccumulator, *, features: Features, route: Route, whole: bool
) -> GradientStrategy:
    """Return the cheapest strategy that gives what the balancer needs.

    Args:
        needs: What that is.
        context: Where gradients come from and go to.
        accumulator: Takes the gradients of the step.
        features: The representations, if they were given.
        route: The way to gradients of the shared parameters.
        whole: Whether this batch is the whole step.

    Raises:
        ConfigError: What is needed cannot be had from losses, or not in micro-batches.
    """
    last_norms = isinstance(needs, Norms) and needs.of == "last"
    # The losses of a step in micro-batches are known when the last one has come, and by then the graphs of the first are gone: weights that
    # depend on losses are therefore applied to rows, which are linear in the losses and can wait.
    if isinstance(needs, Nothing) or (whole and (last_norms or isinstance(needs, Losses))):
        return WeightedSum(context, accumulator)
    if isinstance(needs, Representations) or (route == "representation" and isinstance(needs, Gramian | Norms)):
        if not whole:
            raise ConfigError("representations are looked at for a whole step", where="counts", remedy="Pass the step in one batch")
        return ThroughRepresentation(context, accumulator, features, approximate=not isinstance(needs, Representations))
    if isinstance(needs, CrossGramian | Lookahead):
        raise closure_needed()
    if isinstance(needs, Gramian):
        return PerTask(context, accumulator, needs.groups, needs_gramian=True, features=features)
    if isinstance(needs, Jacobian):
        wanted = None if needs.tasks is None else frozenset(needs.tasks)
        return PerTask(context, accumulator, needs.groups, wanted=wanted, features=features)
    return PerTask(context, accumulator, features=features, last=last_norms)


def closure_needed() -> ConfigError:
    """Return the error for losses in place of a function that gives them."""
    remedy = "Call backward(closure, batches) with a function that gives the losses of a batch"
    return ConfigError("this balancer asks for losses more than once", where="Backward", remedy=remedy)


WALKS = {
    Nothing: "one backward of the weighted sum",
    Losses: "one backward of the weighted sum",
    Norms: "one backward of the weighted sum, and one more of every head, down to the last shared layer",
    Representations: "heads are walked once, and one backward goes on from the representations",
    CrossGramian: "one backward per task and batch, and one of the weighted sum",
    Lookahead: "one backward of the weighted sum, and what the balancer looks at elsewhere",
}


def explain_route(balancer: Balancer, context: StepContext, route: Route) -> str:
    """Return how a balancer's statistic is obtained, what that costs, and which parameters are shared."""
    needs, shared, communicator = balancer.needs(), context.shared, context.communicator
    lines = [f"{type(balancer).__name__} needs {needs}", f"obtained by {_walk(needs, route, len(context.tasks))}"]
    if shared is None:
        lines.append("shared parameters: read off the graphs of the first step that needs them")
    else:
        named = "" if all(name.isdecimal() for name in shared.names) else f": {', '.join(shared.names)}"
        lines.append(f"shared parameters: {shared.size:,} numbers in {len(shared.parameters)} tensors{named}")
        if isinstance(needs, Gramian | Jacobian):
            width = torch.empty((), dtype=shared.dtype).element_size()
            lines.append(f"memory: {len(context.tasks) * shared.size * width:,} bytes for a row per task")
    if communicator.distributed:
        lines.append(f"processes: {communicator.processes}; {communicator.bytes_sent:,} bytes sent by this one so far")
    return "\n".join(lines)


def _walk(needs: Needs, route: Route, tasks: int) -> str:
    if not isinstance(needs, Gramian | Jacobian) and needs != Norms("shared"):
        return WALKS[type(needs)]
    if isinstance(needs, Jacobian) and needs.tasks is not None:
        return f"one backward of the trunk for {', '.join(needs.tasks)}, and the heads of the others"
    ways = {
        "sequential": f"{tasks} backwards, one per task (exact)",
        "batched": "one batched backward for all tasks from the representations on (exact)",
        "representation": "the representations' gradients in place of the parameters' (approximate), and one backward",
    }
    return ways[route]
