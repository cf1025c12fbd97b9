"""Gradients whose signs disagree are dropped at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor

from polytask.balancing.balancer import Balancer, Direction, RepresentationGradients
from polytask.balancing.building_blocks.option_checks import check_fraction
from polytask.balancing.building_blocks.random_stream import RandomStream
from polytask.balancing.needs import Jacobian, Needs, Representations
from polytask.balancing.statistic import Representation, Statistic
from polytask.errors import ConfigError

DropLocation = Literal["representation", "parameters"]


@final
class GradDrop(Balancer):
    """Gradient sign dropout (Chen et al., NeurIPS 2020, algorithm 1).

    At the representation z (N, …) of N rows, whose features are f, with ∇_t = ∂L_t/∂z:

        G_t = Σ_rows sgn(z) ∘ ∇_t,    P = ½ (1 + Σ_t G_t / Σ_t abs(G_t)),    U ~ uniform(0, 1) per feature
        M_t = [G_t > 0] [P > U] + [G_t < 0] [P < U],    ∇ = Σ_t (ℓ_t + (1 − ℓ_t) M_t) ∘ ∇_t

    so that of every feature either those tasks are heard that push it up, or those that push it down. With
    `at="parameters"` the same is done to the gradients of every shared parameter, G_t = g_t. Where no task pushes, nothing
    is left. Heads get the plain gradient of their own task.

    Scale: the paper's own, a sum. A zero row changes nothing.

    Defaults: the representation, no leak (ℓ = 0), P itself as the probability, all as in the paper.

    Deviations: `at="parameters"` is not in the paper; it is what other libraries offer under the same name.

    Fails: it is noise by construction: two tasks that oppose each other everywhere take turns.

    Args:
        at: `representation` or `parameters`.
        leak: ℓ per task, from 0 (signs rule) to 1 (all of the task's gradient passes); 0 for tasks that are not in it.

    Raises:
        ConfigError: Another place, or a leak outside [0, 1].

    Example:
        >>> GradDrop(at="parameters").aggregate(torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.5, 0.0]]))
        tensor([4.0000, 2.5000, 0.0000])
    """

    def __init__(self, at: DropLocation = "representation", leak: Mapping[str, float] | None = None) -> None:
        if at not in get_args(DropLocation):
            raise ConfigError("unknown place", where="graddrop, at", found=at, remedy=f"Choose from: {', '.join(get_args(DropLocation))}")
        self.at = at
        self.leak = {task: check_fraction(value, f"graddrop, leak of task {task!r}") for task, value in (leak or {}).items()}
        self._stream = RandomStream()

    def needs(self) -> Needs:
        """The representations, or the Jacobian."""
        return Representations() if self.at == "representation" else Jacobian()

    def weigh(self, statistic: Statistic) -> RepresentationGradients | Direction:
        """Σ_t (ℓ_t + (1 − ℓ_t) M_t) ∘ ∇_t."""
        if self.at == "parameters":
            rows = statistic.jacobian()
            return Direction(self._kept(statistic.names, rows, rows))
        return RepresentationGradients(tuple(self._at(representation) for representation in statistic.representations()))

    def seed(self, seed: int) -> None:
        """Seed U."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """The generator's state."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._stream.load_state_dict(state)

    def _at(self, representation: Representation) -> Tensor:
        gradients = representation.gradients
        pushes = representation.total((gradients * representation.values.sign()).sum(1))
        return self._kept(representation.names, pushes, gradients)

    def _kept(self, names: tuple[str, ...], pushes: Tensor, gradients: Tensor) -> Tensor:
        """Σ_t of what is left of gradients (t, …, features), given how each task pushes every feature (t, features)."""
        total = pushes.abs().sum(0)
        probability = 0.5 * (1 + pushes.sum(0) / torch.where(total > 0, total, 1))
        heard = torch.where(probability > self._stream.uniform(*probability.shape).to(probability), 1.0, -1.0).to(pushes)
        # Task by task, so that no second tensor of the size of all gradients is needed.
        kept = torch.zeros_like(gradients[0])
        for name, push, gradient in zip(names, pushes, gradients, strict=True):
            mask, leak = (push * heard > 0).to(gradient), self.leak.get(name, 0.0)
            kept.addcmul_(gradient, mask if leak == 0.0 else leak + (1 - leak) * mask)
        return kept
