"""Logarithms of the losses, for balancers of any kind."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from polytask.balancing.balancer import Answer, Balancer, Direction, GroupWeights, Weights
from polytask.balancing.building_blocks.loss_checks import inverses, non_negative_losses
from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.balancing.needs import CrossGramian, Jacobian, Lookahead, Losses, Needs, Nothing
from polytask.balancing.statistic import Statistic
from polytask.balancing.wrappers.scaled_statistic import ScaledStatistic
from polytask.balancing.wrappers.wrapper import Wrapper
from polytask.errors import ConfigError


@final
class LogLosses(Wrapper):
    """Logarithms of the losses in place of the losses, as in LOG-MGDA and LOG-CAGrad (Xiao, Ban & Ji, NeurIPS 2023, code).

    The wrapped balancer gets log L_t and its gradient g_t / L_t instead of the loss and gradient of every task. Its weights w′ for these
    correspond to the weights w_t = w′_t / L_t of the original losses; a direction is not changed. The units of the losses then do not
    matter to any method: multiplying a task's loss by a constant changes no direction. `log:equal` is Σ log L_t.

    Heads get the gradient of log L_t, multiplied by w′_t if the wrapped balancer weights them; if it returns one weight per group of
    parameters or works on representations, they get the plain gradient.

    Scale: that of the wrapped balancer for the logarithms, so that the update does not shrink as the losses do.

    Defaults: there are no options.

    Deviations: the authors' code adds 1e-8 to the losses. Here nothing is added; a task whose loss is 0 (below 1e-30) has a zero gradient.

    Fails: balancers that compare batches or look ahead are refused, since every batch has other losses. Balancers that take logarithms
    themselves are refused at the first loss below 1, whose logarithm is negative.

    Args:
        balancer: Wrapped balancer.

    Raises:
        ConfigError: The wrapped balancer needs several batches or a lookahead.

    Example:
        >>> from polytask.balancing import Equal
        >>> LogLosses(Equal()).aggregate(torch.eye(2), losses=torch.tensor([0.5, 4.0]))
        tensor([2.0000, 0.2500])
    """

    def __init__(self, balancer: Balancer) -> None:
        if isinstance(balancer.needs(), CrossGramian | Lookahead):
            found = f"{type(balancer).__name__}, which needs several"
            raise ConfigError("this wrapper needs a balancer that uses one batch", where="log", found=found)
        super().__init__(balancer)

    def needs(self) -> Needs:
        """Return the needs of the wrapped balancer, at least the losses."""
        needs = self.balancer.needs()
        return Losses() if isinstance(needs, Nothing) else needs

    def weigh(self, statistic: Statistic) -> Answer:
        """Return w′_t / L_t, or the direction of the wrapped balancer.

        Raises:
            ConfigError: A loss is negative.
        """
        needs = self.balancer.needs()
        seen = _logarithms(statistic, needs.tasks if isinstance(needs, Jacobian) else None)
        answer, slopes = self.balancer.weigh(seen), seen.factors
        if isinstance(answer, GroupWeights):
            return replace(answer, values=answer.values * slopes)
        if not isinstance(answer, Weights | Direction):
            return answer
        private = slopes if answer.private is None else answer.private * slopes
        if isinstance(answer, Direction):
            return replace(answer, private=private)
        weighted = answer.heads and answer.private is None
        return replace(answer, values=answer.values * slopes, private=None if weighted else private)

    def update_state(self, statistic: Statistic) -> None:
        """Update the state of the wrapped balancer from log L_t."""
        self.balancer.update_state(_logarithms(statistic))

    def after_step(self, names: tuple[str, ...], before: Tensor, after: Tensor) -> None:
        """Pass log L_t before and after the optimizer's step to the wrapped balancer."""
        self.balancer.after_step(names, _log(before), _log(after))


def _logarithms(statistic: Statistic, tasks: tuple[str, ...] | None = None) -> ScaledStatistic:
    names = statistic.names
    slopes = dict(zip(names, inverses(non_negative_losses(statistic, "log")), strict=True))
    of_rows = [slopes[task] for task in names if tasks is None or task in tasks]
    factors, rows = torch.tensor(list(slopes.values()), dtype=torch.float64), torch.tensor(of_rows, dtype=torch.float64)
    return ScaledStatistic(statistic, slopes, factors, rows, other_losses=_log(statistic.losses))


def _log(losses: Tensor) -> Tensor:
    return losses.clamp(min=1.0 / LARGEST_WEIGHT).log()
