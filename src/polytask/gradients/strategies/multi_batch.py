"""Strategy for steps with several independent batches, or with losses at other values of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer, BatchWeights, LookaheadOracle
from polytask.gradients.lookahead_evaluator import LookaheadEvaluator
from polytask.gradients.non_finite import BadStepError, BadValues
from polytask.gradients.primitives.gramian import cross_gramian
from polytask.gradients.primitives.jacobian_buffer import JacobianBuffer
from polytask.gradients.primitives.vjp import Losses, per_task_gradients
from polytask.gradients.strategies.base import GradientStrategy
from polytask.gradients.strategies.weighted_sum import WeightedSum


@final
@dataclass(eq=False)
class MultiBatch(GradientStrategy):
    """Compare gradients of several batches or evaluate losses at other parameters, and backpropagate the weighted losses once.

    Attributes:
        batches: Mean losses of the tasks per batch, with their graphs.
        lookahead: Evaluator of losses and gradients at other values of the parameters.
    """

    fills_from_graphs = True

    batches: Sequence[Losses]
    lookahead: LookaheadEvaluator
    _found: dict[int, JacobianBuffer] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._weighted = WeightedSum(self.context, self.accumulator)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Store the losses that the balancer will weight."""
        # The graphs end with the step, so that they are kept at no cost.
        self._weighted.take(losses, keep=True)

    def restrict(self, names: tuple[str, ...]) -> None:
        """Restrict the step to these tasks."""
        self.names = self.lookahead.names = self._weighted.names = names
        for rows in self._found.values():
            rows.arrange(names, self.context.scale)

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return the inner products J₁ J₂ᵀ (T, T) of the tasks' gradients of two batches, in float64."""
        (products,) = self.read(cross_gramian(self._rows(first).jacobian(), self._rows(second).jacobian()))
        # An entry is not finite if one of its two rows is not.
        if not bool(torch.isfinite(products).all()) and self.context.scaler is None:
            fine = torch.isfinite(products.diagonal()).tolist()
            raise BadStepError(BadValues({}, gradients=tuple(name for name, good in zip(self.names, fine, strict=True) if not good)))
        return products

    @property
    def look(self) -> LookaheadOracle:
        """Evaluator of losses and gradients at other values of the parameters."""
        self.lookahead.names = self.names
        return self.lookahead

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Backpropagate Σ w_t L_t, or the sum of w_bt L_t over all batches b."""
        if not isinstance(answer, BatchWeights):
            self._weighted.fill(answer, heads=heads)
            return
        of_batches = zip(self.batches, answer.values.tolist(), strict=True)
        weighted = [
            (batch[task], weight)
            for batch, weights in of_batches
            for task, weight in zip(self.names, weights, strict=True)
            if task in batch
        ]
        present = [(loss, weight) for loss, weight in weighted if loss.requires_grad]
        if present:
            losses = [loss for loss, _ in present]
            slopes = [self.context.scaled(torch.full_like(loss, weight)) for loss, weight in present]
            self.accumulator.backward(losses, slopes, keep=True)

    def fill_private(self) -> None:
        """Add the plain gradients of private parameters only."""
        self._weighted.fill_private()

    @property
    def keeps_graphs(self) -> bool:
        """Whether the graphs of the batch whose losses are weighted are still there after `fill`."""
        return self._weighted.keeps_graphs

    def non_finite_tasks(self) -> tuple[str, ...]:
        """Return the tasks whose gradients are not finite, by a backward pass for each of them."""
        return self._weighted.non_finite_tasks()

    def _rows(self, batch: int) -> JacobianBuffer:
        """Return the tasks' gradients of a batch, which are computed on first use."""
        if batch not in self._found:
            losses, scaler = self.batches[batch], self.context.scaler
            rows = self.context.jacobian(losses, batch)
            # The gradients of private parameters are discarded, since only shared parameters are compared.
            per_task_gradients(losses, rows.flat_params.parameters, rows.add, scaler=scaler, keep=True)
            rows.arrange(self.names, self.context.scale)
            self._found[batch] = rows
        return self._found[batch]
