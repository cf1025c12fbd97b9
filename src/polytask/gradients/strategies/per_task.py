"""Every task's gradient of the shared parameters on its own, then combined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer, Direction, GroupWeights, RepresentationGradients
from polytask.balancing.needs import ParameterGrouping
from polytask.errors import ConfigError
from polytask.gradients.primitives.head_vjp import Features, HeadWalk
from polytask.gradients.primitives.jacobian import JacobianBuffer
from polytask.gradients.primitives.vjp import Losses, batched_gradients, per_task_gradients
from polytask.gradients.strategies.base import GradientStrategy, head_weights, weights_of


@final
@dataclass(eq=False)
class PerTask(GradientStrategy):
    """Keep a row of the Jacobian per task, exact, over all micro-batches of a step.

    Attributes:
        groups: Groups of parameters that the balancer asked for.
        wanted: The only tasks whose rows it asked for; None for all.
        needs_gramian: Whether it will ask for Gramians in any case.
        features: The representations, for the batched route.
        last: Whether norms are those of the last layer alone.
        rows: The rows, from the first micro-batch on.
    """

    groups: ParameterGrouping = "whole"
    wanted: frozenset[str] | None = None
    needs_gramian: bool = False
    features: Features = ()
    last: bool = False
    rows: JacobianBuffer = field(init=False)
    _begun: bool = field(init=False, default=False)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Backpropagate every task's loss, and add to its row."""
        context = self.context
        if not self._begun:
            self.rows, self._begun = context.jacobian(losses), True
        rows = self.rows
        shared = rows.flat_params.parameters
        if context.batched and self.features and self.wanted is None:
            found, private = HeadWalk(losses, self.features, shared, context.scaler).run(context.stack, keep=keep)
            slopes = [(z, of_feature.names, of_feature.stack) for z, of_feature in zip(self.features, found, strict=True)]
            batched_gradients(slopes, shared, rows.add, keep=keep)
        else:
            private = per_task_gradients(losses, shared, rows.add, wanted=self.wanted, scaler=context.scaler, keep=keep)
        for task, (parameters, gradients) in private.items():
            self.accumulator.hold_private(task, parameters, gradients)

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Bring the rows into the order of the tasks."""
        with_rows = self._arrange(names)
        if self.needs_gramian:
            # A row is finite exactly where its length is, and lengths come with the Gramian: no further look at the rows is needed.
            self.found_gramians = self.rows.gramians(self.groups)
            fine = torch.isfinite(self.found_gramians.sum(0).diagonal()).tolist()
        else:
            fine = self.rows.finite()
        finite = dict(zip(with_rows, fine, strict=True))
        return [finite.get(task, True) for task in names]

    def restrict(self, names: tuple[str, ...]) -> None:
        """Go on with the rows of these tasks."""
        self.found_gramians = None
        self._arrange(names)

    def norms(self) -> Tensor:
        """Return ‖g_t‖ (T,) in float64."""
        if self.last:
            return self.rows.norms_of(self.rows.flat_params.last_layer())
        return self.gramian().diagonal().sqrt()

    def gramian(self) -> Tensor:
        """Return G = J Jᵀ (T, T) in float64: the sum over groups."""
        return self.gramians().sum(0)

    def gramians(self) -> Tensor:
        """Return a Gramian per group that was asked for (K, T, T) in float64."""
        if self.found_gramians is None:
            self.found_gramians = self.rows.gramians(self.groups)
        return self.found_gramians

    def jacobian(self) -> Tensor:
        """Return the rows (T, P)."""
        return self.rows.jacobian()

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Per group of parameters its columns."""
        return self.rows.flat_params.groups(self.groups)

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Combine the rows, and release the private gradients."""
        weights = head_weights(answer, len(self.names), heads=heads)
        direction, reached = self._direction(answer), self.rows.reached()
        flat_params = self.rows.flat_params
        # A parameter that no task of the step reaches stays without a gradient: a zero would let weight decay and momentum move it.
        gradients = [view if some else None for view, some in zip(flat_params.views(direction), reached, strict=True)]
        self.accumulator.add_combined(flat_params.parameters, gradients)
        self.accumulator.release_private(self.names, weights)

    def _direction(self, answer: Answer) -> Tensor:
        """Return the direction (P,) with the scale, in memory of its own."""
        if isinstance(answer, RepresentationGradients):
            raise ConfigError("an answer at representations needs them", where="needs()", remedy="Ask for Representations")
        if isinstance(answer, Direction):
            # A new tensor: the balancer may remember its own, and `.grad` is changed in place.
            return answer.values.to(self.rows.flat_params.dtype, copy=True).mul_(self.rows.scale)
        if isinstance(answer, GroupWeights):
            return self.rows.combined_in_groups(answer.values, self.groups)
        return self.rows.combined(weights_of(answer, "the answer to rows"))

    def _arrange(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Bring the rows into the order of these tasks; return those of them that have a row."""
        self.names = names
        with_rows = tuple(task for task in names if self.wanted is None or task in self.wanted)
        self.rows.arrange(with_rows, self.context.scale)
        return with_rows
