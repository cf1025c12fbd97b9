"""What every way of sharing has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Architecture(nn.Module, ABC):
    """How tasks share encoders: inputs of one source in, features per task out."""

    @abstractmethod
    def width(self, task: str) -> int:
        """The width of the features that the task's head gets."""

    @abstractmethod
    def tasks_of(self, parameter: str) -> tuple[str, ...]:
        """Which tasks' losses can reach the parameter of that name."""

    @abstractmethod
    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Features (N, width) for each of `tasks`, from the inputs (N, ...) of one source."""
