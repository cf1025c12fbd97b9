"""Adam on single numbers, which balancers use to learn their weights.

`torch.optim.Adam` keys its states by the position of a parameter. Here every number carries its own state, keyed by its
task's name, so that absent tasks do not change at all, and a step costs microseconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt


@dataclass(frozen=True)
class AdamScalar:
    """Number that is learned by Adam (Kingma & Ba, ICLR 2015, algorithm 1), with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.

    Attributes:
        value: Current value of the number.
        first: Running mean of the gradient.
        second: Running mean of the squared gradient.
        steps: Number of steps taken.

    Example:
        >>> round(AdamScalar(0.0).stepped(gradient=3.0, lr=0.1).value, 6)
        -0.1
    """

    value: float
    first: float = 0.0
    second: float = 0.0
    steps: int = 0

    def stepped(self, gradient: float, lr: float) -> AdamScalar:
        """Return the number after one descent step along the gradient."""
        steps = self.steps + 1
        first = 0.9 * self.first + 0.1 * gradient
        second = 0.999 * self.second + 0.001 * gradient**2
        mean, scale = first / (1 - 0.9**steps), sqrt(second / (1 - 0.999**steps))
        return AdamScalar(self.value - lr * mean / (scale + 1e-8), first, second, steps)

    def to_dict(self) -> dict[str, float]:
        """Return the fields by name."""
        return asdict(self)
