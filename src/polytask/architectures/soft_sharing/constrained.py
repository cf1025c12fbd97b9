"""One encoder per task, with a penalty on differences between their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.soft_sharing.separate import Separate
from polytask.encoders import Encoder
from polytask.errors import ConfigError

ParameterDistance = Literal["l2", "trace-norm"]


@final
class Constrained(Architecture):
    """Soft sharing by regularization: one encoder per task, with a penalty that keeps corresponding parameters close.

    `l2` (Duong et al., ACL 2015, section 3.1), with θ̄ the mean over tasks:

        λ Σ_layers Σ_t ‖θ_t − θ̄‖²

    which is λ / T times the sum over all pairs of ‖θ_s − θ_t‖². `trace-norm` (Yang & Hospedales, ICLR workshop 2017, section 2.2):

        λ Σ_layers ‖(vec θ_1, …, vec θ_T)‖_*

    which is the sum of the singular values of the T × P matrix of a layer's parameters, a convex surrogate for its rank. With λ = 0
    these are separate networks; under `l2`, encoders that start alike stay closer the larger λ is. The penalty is added outside the
    balancer, which sees no shared parameters at all.

    Deviations: Duong et al. constrain some of the layers of two parsers; here all layers of the encoder are constrained.

    Args:
        encoder: Encoder of the first task; the other tasks get copies.
        tasks: Names of the tasks.
        strength: Strength λ of the penalty, at least 0.
        distance: Distance that is penalized, `l2` or `trace-norm`.

    Raises:
        ConfigError: λ is negative or infinite, or the distance is unknown.

    Example:
        >>> from polytask.encoders import MLP
        >>> sharing = Constrained(MLP((4,), hidden=(8,)), ("a", "b"))
        >>> float(sharing.penalty().detach())  # they start alike
        0.0
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], strength: float = 1e-2, distance: ParameterDistance = "l2") -> None:
        super().__init__(tasks, encoder)
        if not 0 <= strength < float("inf"):
            raise ConfigError("`strength` must be finite and at least 0", where="architecture 'constrained'", found=strength)
        if distance not in get_args(ParameterDistance):
            remedy = f"Choose from: {', '.join(get_args(ParameterDistance))}"
            raise ConfigError("unknown distance", where="architecture 'constrained'", found=distance, remedy=remedy)
        self.strength, self.distance = strength, distance
        self.separate = Separate(encoder, tasks)

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.separate.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield every encoder with the same stream, so that all start alike."""
        yield from self.separate.initialization_streams()

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the features of each task with its own encoder."""
        found: dict[str, Tensor] = self.separate(inputs, tasks)
        return found

    def penalty(self) -> Tensor | None:
        """Return λ times the distance, or `None` if λ is 0."""
        if not self.strength:
            return None
        measure = {"l2": _spread, "trace-norm": _trace_norm}[self.distance]
        return self.strength * torch.stack([measure(layer) for layer in self._layers()]).sum()

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return how far each task's encoder is from the mean over tasks, relative to its norm."""
        with torch.no_grad():
            flat = torch.cat(list(self._layers()), dim=1)
            far = (flat - flat.mean(0)).norm(dim=1) / flat.norm(dim=1).clamp(min=1e-30)
        return {"distance from the mean": dict(zip(self.tasks, far.tolist(), strict=True))}

    def _layers(self) -> Iterator[Tensor]:
        """Yield the tasks' values (T, P) of each parameter tensor."""
        for group in zip(*(encoder.parameters() for encoder in self.separate.encoders), strict=True):
            yield torch.stack([parameter.flatten() for parameter in group])


def _spread(layer: Tensor) -> Tensor:
    """Compute Σ_t ‖θ_t − θ̄‖² of one layer (T, P)."""
    return (layer - layer.mean(0)).square().sum()


def _trace_norm(layer: Tensor) -> Tensor:
    """Compute the sum of the singular values, with the minimum-norm subgradient U Vᵀ over the nonzero ones.

    Plain differentiation adds arbitrary directions for the zero ones: encoders that start alike would be driven apart.
    """
    with torch.no_grad():
        u, s, v = torch.linalg.svd(layer, full_matrices=False)
        there = s > s[0] * max(layer.shape) * torch.finfo(s.dtype).eps
        slope = (u * there) @ v
    norm: Tensor = (slope * layer).sum()
    return norm
