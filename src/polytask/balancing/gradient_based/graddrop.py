"""Random dropout of gradients whose signs disagree."""

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

    At the representation z (N, …) of N rows, with ∇_t = ∂L_t/∂z, for every feature:

        G_t = Σ_rows sgn(z) ∘ ∇_t,    P = ½ (1 + Σ_t G_t / Σ_t abs(G_t)),    U ~ uniform(0, 1) per feature
        M_t = [G_t > 0] [P > U] + [G_t < 0] [P < U],    ∇ = Σ_t (ℓ_t + (1 − ℓ_t) M_t) ∘ ∇_t

    so that for every feature either the gradients of the tasks with positive G_t are kept, or those of the tasks with negative
    G_t. With `at="parameters"` the same is done to the gradients of every shared parameter, G_t = g_t. Where all G_t are 0, the
    result is 0. Heads get the plain gradient of their task.

    Scale: as in the paper, a sum. A zero row changes nothing.

    Defaults: the representation, no leak (ℓ = 0), P itself as the probability, all as in the paper.

    Deviations: `at="parameters"` is not in the paper; other libraries offer it under the same name.

    Fails: the method is noisy by construction: of two tasks that oppose each other, a random one
    decides every feature.

    Args:
        at: Gradients to drop: those of the `representation` or of the `parameters`.
        leak: Leak ℓ per task, from 0 (only the signs decide) to 1 (the task's whole gradient passes); 0 for tasks that are not
            listed. `None` means 0 for all tasks.

    Raises:
        ConfigError: The location is unknown, or a leak is outside [0, 1].

    Example:
        >>> GradDrop(at="parameters").aggregate(torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.5, 0.0]]))
        tensor([4.0000, 2.5000, 0.0000])
    """

    reads_once = True

    def __init__(self, at: DropLocation = "representation", leak: Mapping[str, float] | None = None) -> None:
        if at not in get_args(DropLocation):
            raise ConfigError(
                "unknown location", where="graddrop, at", found=at, remedy=f"Choose from: {', '.join(get_args(DropLocation))}"
            )
        self.at = at
        self.leak = {task: check_fraction(value, f"graddrop, leak of task {task!r}") for task, value in (leak or {}).items()}
        self._stream = RandomStream()

    def needs(self) -> Needs:
        """Request the representations or the Jacobian, depending on `at`."""
        return Representations() if self.at == "representation" else Jacobian()

    def weigh(self, statistic: Statistic) -> RepresentationGradients | Direction:
        """Return Σ_t (ℓ_t + (1 − ℓ_t) M_t) ∘ ∇_t."""
        if self.at == "parameters":
            rows = statistic.jacobian()
            return Direction(self._kept(statistic.names, rows, rows))
        return RepresentationGradients(tuple(self._at(representation) for representation in statistic.representations()))

    def seed(self, seed: int) -> None:
        """Seed the random numbers U."""
        self._stream.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._stream.load_state_dict(state)

    def _at(self, representation: Representation) -> Tensor:
        gradients = representation.gradients
        pushes = representation.total((gradients * representation.values.sign()).sum(1))
        return self._kept(representation.names, pushes, gradients)

    def _kept(self, names: tuple[str, ...], pushes: Tensor, gradients: Tensor) -> Tensor:
        """Return the sum over tasks of the gradients (t, …, features) that are kept, given G (t, features)."""
        pushes = pushes.to(torch.promote_types(pushes.dtype, torch.float32))  # the probabilities need more than the precision of bfloat16
        total = pushes.abs().sum(0)
        probability = 0.5 * (1 + pushes.sum(0) / torch.where(total > 0, total, 1))
        drawn = self._stream.uniform(*probability.shape).to(probability.device, probability.dtype, non_blocking=True)
        heard = torch.where(probability > drawn, 1.0, -1.0).to(pushes)
        # Loop over tasks, so that no second tensor of the size of all gradients is needed.
        kept = torch.zeros_like(gradients[0])
        for name, push, gradient in zip(names, pushes, gradients, strict=True):
            mask, leak = (push * heard > 0).to(gradient), self.leak.get(name, 0.0)
            kept.addcmul_(gradient, mask if leak == 0.0 else leak + (1 - leak) * mask)
        return kept
