"""Strategy that combines the tasks' gradients of the representations, between the heads and the trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import final

import torch
from torch import Tensor

from polytask.balancing import Answer, Representation, RepresentationGradients
from polytask.balancing.building_blocks.row_combination import row_combination
from polytask.errors import ConfigError
from polytask.gradients.primitives.gramian import gramian
from polytask.gradients.primitives.head_vjp import FeatureGradients, Features, HeadWalk
from polytask.gradients.primitives.reachability import Reachability
from polytask.gradients.primitives.vjp import Losses
from polytask.gradients.strategies.base import GradientStrategy, head_weights, weights_of


@final
@dataclass(eq=False)
class ThroughRepresentation(GradientStrategy):
    """Combine the tasks' gradients of the representations: backpropagate through the heads once, then once through the trunk.

    This is exact for methods that are defined on representations. For methods that need the Gramian of the shared parameters it is an
    approximation: the Gramian of ∂L_t/∂z replaces that of ∂L_t/∂θ, whose quadratic forms it bounds up to ‖∂z/∂θ‖² (Sener & Koltun,
    NeurIPS 2018, section 3.3).

    Attributes:
        features: Representations.
        approximate: Whether the Gramian of the representations may replace that of the parameters.

    Raises:
        ConfigError: There is no representation.
    """

    fills_from_graphs = True
    separates_shared = True

    features: Features
    approximate: bool
    _found: list[FeatureGradients] = field(init=False, default_factory=list)
    _keep: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if not self.features:
            remedy = "Pass the inputs of the heads, from a trunk that is trained: backward(losses, features=z)"
            raise ConfigError("the balancer or route needs the representations' gradients", where="features", remedy=remedy)

    def take(self, losses: Losses, *, keep: bool) -> None:
        """Backpropagate through the heads, and on to parameters below the representations that are not shared."""
        self._keep = keep
        shared = self.context.shared_parameters(losses).parameters
        reachability = Reachability(known=shared)
        below = {id(leaf): leaf for feature in self.features for leaf in reachability.leaves(feature)}
        # If one representation depends on another, the pass through the heads also visits graphs that are needed again.
        longer = keep or bool(below) or len(self.features) > 1
        self._found, private = HeadWalk(losses, self.features, shared, self.context.scaler).run(self.context.stack, keep=longer)
        for task, (parameters, gradients) in private.items():
            self.accumulator.hold_private(task, parameters, gradients)
        if below:
            self._take_below(tuple(losses), list(below.values()))

    def _take_below(self, tasks: tuple[str, ...], leaves: list[Tensor]) -> None:
        """Compute every task's gradient of private masks, adapters or gates between the shared trunk and the representations."""
        for task in tasks:
            pairs = [
                (z, found.stack[found.names.index(task)])
                for z, found in zip(self.features, self._found, strict=True)
                if task in found.names and z.requires_grad
            ]
            if pairs:
                features, slopes = zip(*pairs, strict=True)
                gradients = torch.autograd.grad(features, leaves, slopes, retain_graph=True, allow_unused=True)
                self.accumulator.hold_private(task, leaves, gradients)

    @property
    def can_fill_again(self) -> bool:
        """Whether the graph of the trunk is kept."""
        return self._keep

    def wanted_numbers(self, names: tuple[str, ...]) -> list[Tensor]:
        """Return the sum of the gradients of every representation."""
        self.restrict(names)
        return [found.stack.sum() for found in self._found]

    def finish(self, names: tuple[str, ...]) -> list[bool]:
        """Complete the step, and return for every task whether its gradients of all representations are finite."""
        communicator = self.context.communicator
        if communicator.distributed:
            # A task that uses a representation in one process needs a row in all of them.
            looks = iter(communicator.any([name in found.names for found in self._found for name in names]))
            self._found = [found.padded([name for name in names if next(looks)]) for found in self._found]
        self.restrict(names)
        fine = dict.fromkeys(names, True)
        for found, total in zip_longest(self._found, self.read_ahead):
            fine |= {name: fine[name] and finite for name, finite in zip(found.names, found.finite(total), strict=True)}
        return list(fine.values())

    def restrict(self, names: tuple[str, ...]) -> None:
        """Restrict the step to the gradients of these tasks."""
        self.names, self._found = names, [found.of(names) for found in self._found]

    def representations(self) -> tuple[Representation, ...]:
        """Return the representations, each with the gradients of the tasks that use it."""
        scale, total = self.context.scale, self.context.communicator.all_reduce
        pairs = zip(self.features, self._found, strict=True)
        return tuple(
            Representation(found.names, z.detach(), found.stack if scale == 1.0 else found.stack / scale, total) for z, found in pairs
        )

    def gramian(self) -> Tensor:
        """Return the sum over representations of Σ_n ∂L_i/∂z_n · ∂L_j/∂z_n (T, T), in float64.

        Rows in other processes are further coordinates of the same vectors, so that the Gramians of processes are summed.
        """
        if not self.approximate:
            raise ConfigError("a balancer must declare every statistic that it uses", where="needs()", found="Gramian")
        if self.found_gramians is None:
            total = torch.zeros(len(self.names), len(self.names), dtype=torch.float64)
            for found in self._found:
                places = torch.tensor([self.names.index(task) for task in found.names], dtype=torch.long)
                total[places[:, None], places] += gramian(found.stack.flatten(1), self.context.scale)
            self.found_gramians = self.context.communicator.all_reduce(total).unsqueeze(0)
        return self.found_gramians[0]

    @property
    def round_off(self) -> float:
        """Machine epsilon of the least precise representation."""
        return max(torch.finfo(found.stack.dtype).eps for found in self._found)

    def gramians(self) -> Tensor:
        """Return the Gramian as that of a single group (1, T, T), in float64."""
        return self.gramian().unsqueeze(0)

    def norms(self) -> Tensor:
        """Return the norms ‖∂L_t/∂z‖ (T,), in float64."""
        return self.gramian().diagonal().sqrt()

    def fill(self, answer: Answer, *, heads: bool) -> None:
        """Backpropagate the combined gradients once from the representations, and add the gradients of private parameters."""
        shared = () if self.context.shared is None else self.context.shared.parameters
        pairs = [(z, slope) for z, slope in zip(self.features, self._slopes(answer), strict=True) if slope is not None]
        if pairs and shared:
            features, slopes = zip(*pairs, strict=True)
            found = torch.autograd.grad(features, shared, slopes, retain_graph=self._keep, allow_unused=True)
            self.accumulator.add(shared, found)
        self.accumulator.release_private(self.names, head_weights(answer, len(self.names), heads=heads))

    def _slopes(self, answer: Answer) -> list[Tensor | None]:
        """Return the scaled gradient of every representation to backpropagate; `None` for those that no task uses."""
        if isinstance(answer, RepresentationGradients):
            return [value.to(z) * self.context.scale for value, z in zip(answer.values, self.features, strict=True)]
        weights = dict(zip(self.names, weights_of(answer, "the answer to representations").tolist(), strict=True))
        return [self._combined(found, [weights[task] for task in found.names]) for found in self._found]

    def _combined(self, found: FeatureGradients, weights: list[float]) -> Tensor | None:
        """Return Σ w_t ∂L_t/∂z, or `None` if no task uses the representation."""
        if not weights:
            return None
        seen = self.found_gramians if len(self._found) == 1 else None
        combined = row_combination(torch.tensor(weights, dtype=torch.float64), found.stack.flatten(1), None if seen is None else seen[0])
        return combined.view(found.stack.shape[1:])
