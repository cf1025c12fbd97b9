"""Trunk whose layers become task-specific where gradients conflict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import final

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, ConflictCount, StreamName
from polytask.architectures.hard_sharing.task_layers import TaskLayers, parametrized_layers
from polytask.encoders import Encoder
from polytask.errors import ConfigError


@final
class Recon(Architecture):
    """Recon, which reduces conflicting gradients from the root (Shi et al., ICLR 2023, algorithm 1).

    Training has two phases. In the first, a copy of the network is trained with all layers shared, and for each layer k of the encoder

        s_k = share of steps and pairs of tasks with cos(g_i^k, g_j^k) < S

    is counted, where g_i^k is the gradient of task i's loss in that layer. A fraction of the layers, those with the largest s_k, become
    task-specific. Then the network is trained from its initial values, which the first phase does not change. The choice uses training
    rows only and is stored with the run: a resumed run or a loaded network has the same task-specific layers.

    Defaults: S = −0.02, a quarter of the layers, one epoch for the first phase (our choice; the paper tunes them per data set).

    Deviations: the length of the first phase is counted in epochs; a layer that was never in conflict is not split, whatever its rank.

    Args:
        encoder: Encoder that serves as the trunk.
        tasks: Names of the tasks.
        conflict_threshold: Threshold S of the cosine, from −1 to 0.
        split_fraction: Fraction of the layers that may become task-specific, above 0 and at most 1; at least one layer may.
        epochs: Epochs of the first phase, at least 1.
        chosen_layers: Names of the task-specific layers, which skips the first phase; `None` chooses them in the first phase.

    Raises:
        ConfigError: A number is out of its range, the encoder has a single layer, or a chosen layer does not exist.

    Example:
        >>> from polytask.encoders import MLP
        >>> sharing = Recon(MLP((4,), hidden=(8, 6)), ("a", "b"))
        >>> sharing.split({"layers.0.0": 0.1, "layers.1.0": 0.4})
        >>> sharing.own, sharing.tasks_reaching("layers.encoder.layers.1.0.weight")
        (('layers.1.0',), ('a',))
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Sequence[str],
        conflict_threshold: float = -0.02,
        split_fraction: float = 0.25,
        epochs: int = 1,
        chosen_layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(tasks, encoder)
        if not -1 <= conflict_threshold <= 0:
            raise ConfigError("`conflict_threshold` must be a cosine from -1 to 0", where="architecture 'recon'", found=conflict_threshold)
        if not 0 < split_fraction <= 1:
            raise ConfigError("`split_fraction` must be above 0 and at most 1", where="architecture 'recon'", found=split_fraction)
        if epochs < 1:
            raise ConfigError("`epochs` must be at least 1", where="architecture 'recon'", found=epochs)
        if len(parametrized_layers(encoder)) < 2:
            found = f"{type(encoder).__name__} with one layer"
            raise ConfigError("this architecture chooses among layers and needs at least two", where="architecture 'recon'", found=found)
        self.conflict_threshold, self.split_fraction, self.epochs = conflict_threshold, split_fraction, epochs
        self.scores: Mapping[str, float] = {}
        self.own = None if chosen_layers is None else tuple(chosen_layers)
        self.layers = TaskLayers(encoder, tasks, chosen_layers or ())

    def wants_gradient_conflicts(self) -> ConflictCount | None:
        """Return the request to count conflicts in all layers of the trunk, or `None` if there is nothing left to choose."""
        if self.own is not None or len(self.tasks) < 2:
            return None
        layers = {path: list(layer.parameters(recurse=False)) for path, layer in parametrized_layers(self.layers.encoder).items()}
        return ConflictCount(layers, self.conflict_threshold, self.epochs, self._adopt)

    def chosen(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """Return the layers with the largest scores above 0; equal scores keep the order of the network."""
        most = max(1, round(self.split_fraction * len(scores)))
        ranked = sorted(scores, key=lambda layer: -scores[layer])
        return tuple(layer for layer in ranked[:most] if scores[layer] > 0)

    def split(self, scores: Mapping[str, float]) -> None:
        """Choose layers by their scores, and give each task its own copies of them with their present values."""
        self.scores, self.own = dict(scores), self.chosen(scores)
        self.layers = TaskLayers(self.layers.encoder, self.tasks, self.own)
        self.__dict__.pop("_reach", None)  # cached before the split: now other tasks reach the parameters

    def _adopt(self, scores: Mapping[str, float]) -> str:
        """Split the layers in conflict, and return the specification of the resulting architecture."""
        self.split(scores)
        return f"recon(chosen_layers=[{', '.join(self.own or ())}])"

    def width(self, task: str) -> int:
        """Return the width of the encoder's features."""
        return self.layers.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield the encoder with the stream of hard sharing."""
        yield from self.layers.initialization_streams()

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Compute the trunk's features, with each task's own layers where it has them."""
        found: dict[str, Tensor] = self.layers(inputs, tasks)
        return found

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the share of conflicts in each layer, and how far each task's own layers are from the mean over tasks."""
        conflicts = {f"conflicts, {layer}": dict.fromkeys(self.tasks, score) for layer, score in self.scores.items()}
        return {**conflicts, **self.layers.describe_sharing()}
