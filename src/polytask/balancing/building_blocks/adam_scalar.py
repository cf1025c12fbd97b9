"""Adam on single numbers, which balancers use to learn their weights.

`torch.optim.Adam` keys its states by the position of a parameter. Here every number carries its own state, keyed by its
task's name, so that absent tasks do not change at all, and a step costs microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import inf, sqrt
from typing import Any


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


class LearnedScalars:
    """One number per task that is learned by Adam, as the state of a balancer.

    Args:
        initial_value: Value of the numbers of tasks that have not been learned yet.
        bounds: Smallest and largest value to which a step leads.

    Example:
        >>> scalars = LearnedScalars(0.0)
        >>> scalars.step("a", gradient=3.0, lr=0.1)
        >>> round(scalars.value("a"), 6), scalars.value("b")
        (-0.1, 0.0)
    """

    def __init__(self, initial_value: float, bounds: tuple[float, float] = (-inf, inf)) -> None:
        self._initial, self._bounds = AdamScalar(initial_value), bounds
        self._scalars: dict[str, AdamScalar] = {}

    def value(self, task: str) -> float:
        """Return the number of a task."""
        return self._scalars.get(task, self._initial).value

    def step(self, task: str, gradient: float, lr: float) -> None:
        """Take one descent step along the gradient."""
        moved = self._scalars.get(task, self._initial).stepped(gradient, lr)
        low, high = self._bounds
        self._scalars[task] = replace(moved, value=min(max(moved.value, low), high))

    def state_dict(self) -> dict[str, Any]:
        """Return the number, its two moments and its number of steps for every known task."""
        return {task: scalar.to_dict() for task, scalar in self._scalars.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._scalars = {task: AdamScalar(**values) for task, values in state.items()}
