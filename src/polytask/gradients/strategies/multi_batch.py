"""Several independent batches in one step, or losses at other values of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from polytask.balancing import Answer, LookaheadOracle
from polytask.gradients.post_step_losses import LookaheadEvaluator
from polytask.gradients.primitives.gramian import cross_gramian
from polytask.gradients.primitives.jacobian import JacobianBuffer
from polytask.gradients.primitives.vjp import Losses, per_task_gradients
from polytask.gradients.strategies.base import GradientStrategy
from polytask.gradients.strategies.weighted_sum import WeightedSum


@final
@dataclass(eq=False)
class MultiBatch(GradientStrategy):
    """Compare the batches' gradients, or look for losses elsewhere; then backpropagate the losses of the step once, weighted.

    Attributes:
        batches: Per batch the tasks' mean losses, with their graphs.
        lookahead: Losses and gradients elsewhere.
    """

    batches: Sequence[Losses]
    lookahead: LookaheadEvaluator
    _found: dict[int, JacobianBuffer] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._weighted = WeightedSum(self.context, self.accumulator)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Keep the losses that the answer's weights are for."""
        self._weighted.take(losses, keep=keep)

    def restrict(self, names: tuple[str, ...]) -> None:
        """Go on with these tasks alone."""
        self.names = self.lookahead.names = self._weighted.names = names

    def cross_gramian(self, first: int, second: int) -> Tensor:
        """Return J₁ J₂ᵀ (T, T) in float64."""
        return cross_gramian(self._rows(first).jacobian(), self._rows(second).jacobian())

    @property
    def look(self) -> LookaheadOracle:
        """Losses and gradients elsewhere."""
        return self.lookahead

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Backpropagate Σ w_t L_t."""
        self._weighted.fill(answer, heads=heads)

    def _rows(self, batch: int) -> JacobianBuffer:
        """Return the tasks' gradients of a batch: obtained when they are asked for, and only then."""
        if batch not in self._found:
            losses, scaler = self.batches[batch], self.context.scaler
            rows = self.context.jacobian(losses, batch)
            # Private parameters have no part in the comparison.
            per_task_gradients(losses, rows.flat_params.parameters, rows.add, scaler=scaler, keep=True)
            rows.arrange(self.names, self.context.scale)
            self._found[batch] = rows
        return self._found[batch]
