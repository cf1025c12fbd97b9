"""Strategy for steps with several independent batches, or with losses at other values of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from polytask.balancing import Answer, LookaheadOracle
from polytask.gradients.lookahead_evaluator import LookaheadEvaluator
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

    batches: Sequence[Losses]
    lookahead: LookaheadEvaluator
    _found: dict[int, JacobianBuffer] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._weighted = WeightedSum(self.context, self.accumulator)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Store the losses that the balancer will weight."""
        self._weighted.take(losses, keep=keep)

    def restrict(self, names: tuple[str, ...]) -> None:
        """Restrict the step to these tasks."""
        self.names = self.lookahead.names = self._weighted.names = names

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return the inner products J₁ J₂ᵀ (T, T) of the tasks' gradients of two batches, in float64."""
        return cross_gramian(self._rows(first).jacobian(), self._rows(second).jacobian())

    @property
    def look(self) -> LookaheadOracle:
        """Evaluator of losses and gradients at other values of the parameters."""
        return self.lookahead

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Backpropagate Σ w_t L_t."""
        self._weighted.fill(answer, heads=heads)

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
