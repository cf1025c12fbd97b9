"""Hard parameter sharing."""

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
    """One encoder for all tasks, up to a split; everything before the split is shared (Caruana, Machine Learning 28:41, 1997).

    Features are z = f(x; θ), and the outputs of task t are h_t(z; φ_t): every task reaches the encoder's θ, only task t reaches φ_t. With
    a split, the first stages of the encoder are shared, and each task has its own copy of the later ones; with a split of 0, nothing is
    shared.

    Args:
        encoder: Shared encoder f.
        tasks: Names of the tasks.
        split: Number of the encoder's stages that are shared; `None` shares all.

    Raises:
        ConfigError: The split is negative, or the encoder has fewer stages.

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
            raise ConfigError(
                "`split` must be between 0 and the number of stages",
                where="architecture 'hard'",
                found=split,
                remedy=f"Choose from 0 to {count}",
            )
        self.encoder, self.split = encoder, count if split is None else split
        own = encoder.stages[self.split :]
        # The first task uses the later stages of the encoder itself, the other tasks use copies of them.
        self.branches = nn.ModuleList(nn.ModuleList(deepcopy(stage) for stage in own) for _ in self.tasks[1:] if own)

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        del task
        return self.encoder.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder, and one stream per branch."""
        yield ("architecture",), self.encoder
        for task, branch in zip(self.tasks[1:], self.branches, strict=False):
            yield ("architecture", "branch", task), branch

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the shared features, or those of each task's branch."""
        if not self.branches:
            return dict.fromkeys(tasks, self.encoder(inputs))
        shared = apply_stages(self.encoder.stages[: self.split], inputs)
        return {task: apply_stages(self._own(task), shared) for task in tasks}

    def _own(self, task: str) -> Sequence[nn.Module]:
        """Return the stages behind the split of a task."""
        number = self.tasks.index(task)
        branch: Sequence[nn.Module] = self.encoder.stages[self.split :] if number == 0 else tuple(self.branches[number - 1])  # type: ignore[arg-type]
        return branch
