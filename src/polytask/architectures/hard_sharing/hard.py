"""Hard sharing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import final

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.encoder_stages import apply_stages
from polytask.encoders import Encoder
from polytask.errors import ConfigError


@final
class HardSharing(Architecture):
    """One encoder for all tasks, down to a split; everything before it is shared (Caruana, Machine Learning 28:41, 1997).

    z = f(x; θ), and task t's outputs are h_t(z; φ_t): the encoder's θ is reached by every task, φ_t by one. With a split, the first
    stages of the encoder are shared, and every task has the later ones for itself; with a split of 0, nothing is.

    Args:
        encoder: f.
        tasks: The names of the tasks.
        split: How many of the encoder's stages are shared; all by default.

    Raises:
        ConfigError: The encoder has fewer stages.

    Example:
        >>> import torch
        >>> from polytask.encoders import MLP
        >>> sharing = HardSharing(MLP((4,), hidden=(8,)), ("a", "b"))
        >>> features = sharing(torch.zeros(2, 4), ("a", "b"))
        >>> features["a"] is features["b"], features["a"].shape
        (True, torch.Size([2, 8]))
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], split: int | None = None) -> None:
        super().__init__(tasks, encoder)
        count = len(encoder.stages)
        if split is not None and not 0 <= split <= count:
            raise ConfigError("there is no such split", where="hard, split", found=split, remedy=f"Choose from 0 to {count} stages")
        self.encoder, self.split = encoder, count if split is None else split
        own = encoder.stages[self.split :]
        # The first task goes on in the encoder itself, the others in copies of its later stages.
        self.branches = nn.ModuleList(nn.ModuleList(deepcopy(stage) for stage in own) for _ in self.tasks[1:] if own)

    def width(self, task: str) -> int:
        """The encoder's features."""
        del task
        return self.encoder.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """The encoder, and a stream per branch."""
        yield ("architecture",), self.encoder
        for task, branch in zip(self.tasks[1:], self.branches, strict=False):
            yield ("architecture", "branch", task), branch

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """The same features for every task, or those of its branch."""
        if not self.branches:
            return dict.fromkeys(tasks, self.encoder(inputs))
        shared = apply_stages(self.encoder.stages[: self.split], inputs)
        return {task: apply_stages(self._own(task), shared) for task in tasks}

    def _own(self, task: str) -> Sequence[nn.Module]:
        number = self.tasks.index(task)
        branch: Sequence[nn.Module] = self.encoder.stages[self.split :] if number == 0 else tuple(self.branches[number - 1])  # type: ignore[arg-type]
        return branch
