"""Strategy that computes every task's gradient of the shared parameters, and combines these gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor

from polytask.balancing import Answer, Direction, GroupWeights, RepresentationGradients, Weights
from polytask.balancing.needs import ParameterGrouping
from polytask.errors import ConfigError
from polytask.gradients.non_finite import BadStepError, BadValues
from polytask.gradients.primitives.head_vjp import Features, HeadWalk
from polytask.gradients.primitives.jacobian_buffer import JacobianBuffer
from polytask.gradients.primitives.vjp import Losses, batched_gradients, per_task_gradients
from polytask.gradients.strategies.base import GradientStrategy, head_weights

LARGE = 1e6
"""Weight from which a private gradient is read again after it was multiplied."""


@final
@dataclass(eq=False)
class PerTask(GradientStrategy):
    """Compute the exact Jacobian, one row per task, over all micro-batches of a step.

    Attributes:
        groups: Grouping of parameters that the balancer needs.
        wanted: Tasks whose rows the balancer needs; `None` for all.
        needs_gramian: Whether the balancer needs Gramians.
        features: Representations, for the batched route.
        last: Whether `norms` are those of the last shared layer only.
        rows: Buffer of the rows, set by the first micro-batch.
    """

    separates_shared = True

    groups: ParameterGrouping = "whole"
    wanted: frozenset[str] | None = None
    needs_gramian: bool = False
    features: Features = ()
    last: bool = False
    rows: JacobianBuffer = field(init=False)
    _begun: bool = field(init=False, default=False)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Backpropagate every task's loss, and add the gradient to the task's row."""
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

    def wanted_numbers(self, names: tuple[str, ...]) -> list[Tensor]:
        """Return the products of the rows, or their sum if the balancer needs no Gramian."""
        self._arrange(names)
        return self.rows.first_products(self.groups) if self.needs_gramian else [self.rows.total()]

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Sort the rows into the order of the tasks, and return for every task whether its gradient is finite."""
        with_rows = self._arrange(names)
        if self.needs_gramian:
            # A row is finite if and only if its norm is, which the Gramian contains: the rows need not be read again.
            self.found_gramians = self.rows.gramians(self.groups, self.read_ahead)
            fine = torch.isfinite(self.found_gramians.sum(0).diagonal()).tolist()
        else:
            fine = self.rows.finite(*self.read_ahead)
        finite = dict(zip(with_rows, fine, strict=True))
        return [finite.get(task, True) for task in names]

    def restrict(self, names: tuple[str, ...]) -> None:
        """Restrict the step to the rows of these tasks."""
        self.found_gramians = None
        self._arrange(names)

    def norms(self) -> Tensor:
        """Return the norms ‖g_t‖ (T,), in float64."""
        if self.last:
            return self.rows.norms_of(self.rows.flat_params.last_layer())
        return self.gramian().diagonal().sqrt()

    def gramian(self) -> Tensor:
        """Return the Gramian G = J Jᵀ (T, T), the sum over groups, in float64."""
        return self.gramians().sum(0)

    def gramians(self) -> Tensor:
        """Return the Gramian of every group of parameters (K, T, T), in float64."""
        if self.found_gramians is None:
            self.found_gramians = self.rows.gramians(self.groups)
        return self.found_gramians

    def jacobian(self) -> Tensor:
        """Return the tasks' gradients (T, P), one row per task."""
        return self.rows.jacobian()

    def all_rows(self) -> Tensor | None:
        """Return the rows; `None` if tasks have no row, or if other processes have parts of the rows."""
        return None if self.wanted is not None or self.context.communicator.distributed else self.rows.local

    @property
    def columns(self) -> tuple[tuple[slice, ...], ...]:
        """Columns of the Jacobian that belong to each group of parameters."""
        return self.rows.flat_params.groups(self.groups)

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Combine the rows, and add the gradients of private parameters."""
        doubtful, weights = self._may_overflow(answer), head_weights(answer, len(self.names), heads=heads)
        direction, reached = self._direction(answer), self.rows.reached()
        flat_params = self.rows.flat_params
        # A parameter that no task of the step reaches keeps no gradient: with a zero, weight decay and momentum would change it.
        gradients = [view if some else None for view, some in zip(flat_params.views(direction), reached, strict=True)]
        self.accumulator.add_combined(flat_params.parameters, gradients)
        self.accumulator.release_private(self.names, weights)
        if doubtful and not self.context.communicator.distributed and not self.accumulator.finite():
            raise BadStepError(BadValues({}))

    def _may_overflow(self, answer: Answer) -> bool:
        """Return whether Σ |w_t| ‖g_t‖ is near the largest number of the rows' dtype, or a weight of private parameters is large."""
        if not isinstance(answer, Weights | GroupWeights) or self.context.scaler is not None:
            return False
        largest = torch.finfo(self.rows.flat_params.dtype).max / 2
        values, private = np.abs(answer.values.detach().cpu().numpy()), answer.private if isinstance(answer, Weights) else None
        if self.found_gramians is None:
            return self.reader is None  # on the CPU, the sum is soon read
        lengths = np.sqrt(self.found_gramians.numpy().diagonal(axis1=1, axis2=2))
        heads = values if private is None else np.abs(private.detach().cpu().numpy())
        return not float((values * lengths).sum()) < largest or float(heads.max()) > LARGE

    def _direction(self, answer: Answer) -> Tensor:
        """Return the direction (P,), scaled like the rows, in memory that is not shared."""
        if isinstance(answer, RepresentationGradients):
            raise ConfigError("gradients of representations need Representations", where="needs()", remedy="Return Representations there")
        if isinstance(answer, Direction):
            # Copy: the balancer may keep its tensor, and `.grad` is changed in place.
            return answer.values.to(self.rows.flat_params.dtype, copy=True).mul_(self.rows.scale)
        if isinstance(answer, GroupWeights):
            return self.rows.combined_in_groups(answer.values, self.groups, self.found_gramians)
        seen = None if self.found_gramians is None else self.gramian()
        return self.rows.combined(answer.values, seen)

    def _arrange(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Sort the rows into the order of these tasks, and return the tasks that have a row."""
        self.names = names
        with_rows = tuple(task for task in names if self.wanted is None or task in self.wanted)
        self.rows.arrange(with_rows, self.context.scale)
        return with_rows
