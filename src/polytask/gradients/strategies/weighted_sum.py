"""Strategy with one backward pass of Σ w_t L_t, for methods that need losses, or norms of the last layer's gradients, at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer
from polytask.balancing.building_blocks.row_combination import LARGEST_WEIGHT
from polytask.gradients.primitives.grad_accumulator import all_finite
from polytask.gradients.primitives.reachability import Reachability
from polytask.gradients.primitives.vjp import Losses, gradients_of
from polytask.gradients.strategies.base import GradientStrategy, head_weights, weights_of

FEWEST_STACKED = 12
"""Smallest number of losses that are stacked into one tensor to backpropagate from; PyTorch checks every such tensor by itself."""


@final
@dataclass(eq=False)
class WeightedSum(GradientStrategy):
    """Backpropagate the weighted sum of the losses once.

    If the weights apply to the shared parameters only, heads need a second backward pass: Σ L_t for them, Σ w_t L_t for the trunk.

    Attributes:
        measures_norms: Whether the balancer needs the norms of the last shared layer's gradients.
    """

    weighs_micro_batches = True
    fills_from_graphs = True

    measures_norms: bool = False
    _taken: Losses = field(init=False, default_factory=dict)
    _norms: dict[str, Tensor] = field(init=False, default_factory=dict)
    _keep: bool = field(init=False, default=False)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Store the losses with their graphs."""
        self._taken, self._keep = losses, keep

    def wanted_numbers(self, names: tuple[str, ...]) -> list[Tensor]:
        """Return the scaled norms, if the balancer needs them."""
        self.restrict(names)
        return [self._scaled_norms()] if self.measures_norms else []

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Measure the norms if the balancer needs them, before the graphs are used."""
        fine = super().finish(names)
        if self.measures_norms:
            norms = self.read_ahead[0] if self.read_ahead else self._scaled_norms().cpu()
            self._norms = dict(zip(names, norms / self.context.scale, strict=True))
        return fine

    def norms(self) -> Tensor:
        """Return the norms ‖∂L_t/∂θ‖ (T,) for the last shared layer θ, in float64; backward passes end at this layer."""
        return torch.stack([self._norms[name] for name in self.names])

    def _scaled_norms(self) -> Tensor:
        shared = self.context.shared_parameters(self._taken)
        last = [shared.parameters[number] for number in shared.last_layer()]
        # A task that is present only in other processes has a loss without a graph here.
        local = [self._taken.get(task, torch.zeros(())) for task in self.names]
        rows = [_flat(gradients_of(self.context.scaled(loss), last, keep=True), last) for loss in local]
        norms: Tensor = self.context.communicator.all_reduce(torch.stack(rows)).double().norm(dim=1)
        return norms

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Backpropagate Σ w_t L_t."""
        weights = dict(zip(self.names, weights_of(answer, "the answer to losses").tolist(), strict=True))
        present = {task: loss for task, loss in self._taken.items() if task in weights and loss.requires_grad}
        if not present:
            return
        losses, weighted = tuple(present.values()), [weights[task] for task in present]
        of_heads = dict(zip(self.names, head_weights(answer, len(self.names), heads=heads), strict=True))
        plain = [of_heads[task] for task in present]
        if plain == weighted:
            self.accumulator.backward(*self._start(losses, weighted), keep=self._keep)
            return
        shared = self.context.shared_parameters(self._taken).parameters
        self._fill_parts(losses, ((weighted, shared), (plain, self._private(losses))))

    def fill_private(self) -> None:
        """Add the plain gradients of private parameters only."""
        losses = tuple(loss for task, loss in self._taken.items() if task in self.names and loss.requires_grad)
        if losses:
            self._fill_parts(losses, (([1.0] * len(losses), self._private(losses)),))

    @property
    def keeps_graphs(self) -> bool:
        """Whether graphs are kept."""
        return self._keep

    def non_finite_tasks(self) -> tuple[str, ...]:
        """Return the tasks whose gradients are not finite, by a backward pass for each of them."""
        parameters = tuple(self.accumulator.trained.values())
        found = {task: gradients_of(self.context.scaled(loss), parameters, keep=True) for task, loss in self._taken.items()}
        return tuple(task for task in self.names if not all_finite(g for g in found.get(task, ()) if g is not None))

    def _private(self, losses: Sequence[Tensor]) -> tuple[Tensor, ...]:
        reachability = Reachability(known=self.context.shared_parameters(self._taken).parameters)
        return tuple({id(leaf): leaf for loss in losses for leaf in reachability.leaves(loss)}.values())

    def _fill_parts(self, losses: tuple[Tensor, ...], parts: Sequence[tuple[list[float], tuple[Tensor, ...]]]) -> None:
        """Backpropagate a weighted sum to each of some sets of parameters."""
        parts = [(weights, parameters) for weights, parameters in parts if parameters]
        for number, (weights, parameters) in enumerate(parts, start=1):
            keep = self._keep or number < len(parts)
            scalars, slopes = self._start(losses, weights)
            found = torch.autograd.grad(scalars, parameters, slopes, retain_graph=keep, allow_unused=True)
            self.accumulator.add(parameters, found)

    def _start(self, losses: Sequence[Tensor], weights: Sequence[float]) -> tuple[Sequence[Tensor], list[Tensor]]:
        """Return tensors to backpropagate from, and the gradient that starts at each: the scaled weights of the losses.

        Therefore Σ w_t L_t itself is never computed. Weights are limited to ±1e30, which float32 and the scaler's factor can hold.
        """
        limited = [min(max(weight, -LARGEST_WEIGHT), LARGEST_WEIGHT) for weight in weights]
        if len(losses) >= FEWEST_STACKED and len({(loss.dtype, loss.device) for loss in losses}) == 1:
            stacked = torch.stack(tuple(losses))
            return (stacked,), [self.context.scaled(torch.tensor(limited, dtype=stacked.dtype, device=stacked.device))]
        return losses, [self.context.scaled(torch.full_like(loss, weight)) for loss, weight in zip(losses, limited, strict=True)]


def _flat(gradients: tuple[Tensor | None, ...], parameters: list[Tensor]) -> Tensor:
    filled = (torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True))
    # Without shared parameters all norms are 0.
    return torch.cat([gradient.flatten() for gradient in filled]) if parameters else torch.zeros(0)
