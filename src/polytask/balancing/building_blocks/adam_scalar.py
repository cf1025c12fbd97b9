"""Adam on single numbers: what balancers step their learned weights with.

`torch.optim.Adam` steps every parameter that has a gradient with one shared list of states, keyed by position. Here
every number has a state of its own, keyed by its task's name, so that absent tasks are left exactly as they were, and
a step costs microseconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt


@dataclass(frozen=True)
class AdamScalar:
    """A number that is learned by Adam (Kingma & Ba, ICLR 2015, algorithm 1), with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.

    Attributes:
        value: The number.
        first: Running mean of the gradient.
        second: Running mean of its square.
        steps: How many steps were taken.

    Example:
        >>> round(AdamScalar(0.0).stepped(gradient=3.0, lr=0.1).value, 6)
        -0.1
    """

    value: float
    first: float = 0.0
    second: float = 0.0
    steps: int = 0

    def stepped(self, gradient: float, lr: float) -> AdamScalar:
        """The number after one step down the gradient."""
        steps = self.steps + 1
        first = 0.9 * self.first + 0.1 * gradient
        second = 0.999 * self.second + 0.001 * gradient**2
        mean, scale = first / (1 - 0.9**steps), sqrt(second / (1 - 0.999**steps))
        return AdamScalar(self.value - lr * mean / (scale + 1e-8), first, second, steps)

    def to_dict(self) -> dict[str, float]:
        """The fields by name."""
        return asdict(self)
