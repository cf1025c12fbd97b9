"""Which path a step takes, from what the balancer needs; and that in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from polytask.balancing import Balancer, CrossGramian, Gramian, Jacobian, Lookahead, Losses, Needs, Norms, Nothing, Representations
from polytask.errors import ConfigError
from polytask.gradients.by_losses import ByLosses
from polytask.gradients.by_representations import ByRepresentations
from polytask.gradients.by_rows import ByRows
from polytask.gradients.heads import Features
from polytask.gradients.path import Path
from polytask.gradients.setting import Setting

Route = Literal["sequential", "batched", "representation"]
ROUTES: tuple[Route, ...] = ("sequential", "batched", "representation")


def features_of(features: Tensor | Sequence[Tensor] | None) -> Features:
    """The representations that lead to a parameter, as a tuple."""
    given = () if features is None else (features,) if isinstance(features, Tensor) else tuple(features)
    return tuple(feature for feature in given if feature.requires_grad)


def choose_path(needs: Needs, setting: Setting, features: Features, route: Route, *, whole: bool) -> Path:
    """The path to what the balancer needs.

    Args:
        needs: What that is.
        setting: Where gradients come from and go to.
        features: The representations, if they were given.
        route: The way to gradients of the shared parameters.
        whole: Whether this batch is the whole step.

    Raises:
        ConfigError: What is needed cannot be had from losses, or not in micro-batches.
    """
    if isinstance(needs, Nothing) or (isinstance(needs, Losses) and whole):
        return ByLosses(setting)
    if isinstance(needs, Norms) and needs.of == "last" and whole:
        return ByLosses(setting)
    if isinstance(needs, Representations) or (route == "representation" and isinstance(needs, Gramian | Norms)):
        if not whole:
            raise ConfigError("representations are looked at for a whole step", where="counts", remedy="Pass the step in one batch")
        return ByRepresentations(setting, features, approximate=not isinstance(needs, Representations))
    if isinstance(needs, CrossGramian | Lookahead):
        remedy = "Call backward(closure, batches) with a function that gives the losses of a batch"
        raise ConfigError("this balancer asks for losses more than once", where="Backward", remedy=remedy)
    if isinstance(needs, Gramian):
        return ByRows(setting, needs.groups, gramian=True, features=features)
    if isinstance(needs, Jacobian):
        return ByRows(setting, needs.groups, wanted=needs.tasks, features=features)
    return ByRows(setting, features=features, last=isinstance(needs, Norms) and needs.of == "last")


WALKS = {
    Nothing: "one backward of the weighted sum",
    Losses: "one backward of the weighted sum",
    Norms: "one backward of the weighted sum, and one more of every head, down to the last shared layer",
    Representations: "heads are walked once, and one backward goes on from the representations",
    CrossGramian: "one backward per task and batch, and one of the weighted sum",
    Lookahead: "one backward of the weighted sum, and what the balancer looks at elsewhere",
}


def explanation(balancer: Balancer, setting: Setting, route: Route) -> str:
    """How a balancer's statistic is obtained, what that costs, and which parameters are shared."""
    needs, layout, traffic = balancer.needs(), setting.shared, setting.traffic
    lines = [f"{type(balancer).__name__} needs {needs}", f"obtained by {_walk(needs, route, len(setting.tasks))}"]
    if layout is None:
        lines.append("shared parameters: read off the graphs of the first step that needs them")
    else:
        named = "" if all(name.isdecimal() for name in layout.names) else f": {', '.join(layout.names)}"
        lines.append(f"shared parameters: {layout.size:,} numbers in {len(layout.parameters)} tensors{named}")
        if isinstance(needs, Gramian | Jacobian):
            width = torch.empty((), dtype=layout.dtype).element_size()
            lines.append(f"memory: {len(setting.tasks) * layout.size * width:,} bytes for a row per task")
    if traffic.processes > 1:
        lines.append(f"processes: {traffic.processes}; {traffic.sent:,} bytes sent by this one so far")
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
