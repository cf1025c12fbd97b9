"""Layers that become task-specific where gradients conflict."""

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
    """Reducing conflicts from the root (Shi et al., ICLR 2023, algorithm 1).

    Training has two phases. In the first, a copy of the network is trained with all layers shared, and for every layer k of the encoder

        s_k = share of steps and pairs of tasks with cos(g_i^k, g_j^k) < S

    is counted, where g_i^k is the gradient of task i's loss in that layer. The layers with the largest s_k, a share of all that are
    shared, become task-specific; then the network is trained from its start, from which the first phase has taken nothing. The choice
    looks at training rows alone, and is kept with the run: one that is resumed, or a trained network that is loaded, has the same layers.

    Defaults: S = −0.02, a quarter of the layers, one epoch for the first phase: ours; the paper tunes them per data set.

    Deviations: the first phase's length is counted in epochs; a layer that was never in conflict is not split, whatever its rank.

    Args:
        encoder: The trunk.
        tasks: The names of the tasks.
        conflict_threshold: S, from −1 to 0.
        split_fraction: Of the layers that may become task-specific, above 0 and up to 1; one layer at least.
        epochs: Of the first phase.
        chosen_layers: The layers, once they are chosen: then there is no first phase.

    Raises:
        ConfigError: A number out of its range; the encoder has a single layer, or none of that name.

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
            raise ConfigError("a cosine from -1 to 0 is needed", where="recon, severity", found=conflict_threshold)
        if not 0 < split_fraction <= 1:
            raise ConfigError("a share above 0 and up to 1 is needed", where="recon, share", found=split_fraction)
        if epochs < 1:
            raise ConfigError("at least one epoch is needed", where="recon, epochs", found=epochs)
        if len(parametrized_layers(encoder)) < 2:
            found = f"{type(encoder).__name__} with one layer"
            raise ConfigError("this way of sharing chooses among layers", where="architecture 'recon'", found=found)
        self.conflict_threshold, self.share, self.epochs = conflict_threshold, split_fraction, epochs
        self.scores: Mapping[str, float] = {}
        self.own = None if chosen_layers is None else tuple(chosen_layers)
        self.layers = TaskLayers(encoder, tasks, chosen_layers or ())

    def wants_gradient_conflicts(self) -> ConflictCount | None:
        """Conflicts in all layers of the trunk, as long as it is still to be chosen which of them are split."""
        if self.own is not None or len(self.tasks) < 2:
            return None
        layers = {path: list(layer.parameters(recurse=False)) for path, layer in parametrized_layers(self.layers.encoder).items()}
        return ConflictCount(layers, self.conflict_threshold, self.epochs, self._adopt)

    def chosen(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """The layers with the largest scores, of those that have any; in the order of the network where scores are equal."""
        most = max(1, round(self.share * len(scores)))
        ranked = sorted(scores, key=lambda layer: -scores[layer])
        return tuple(layer for layer in ranked[:most] if scores[layer] > 0)

    def split(self, scores: Mapping[str, float]) -> None:
        """Give every task copies of the layers in conflict, as they are now."""
        self.scores, self.own = dict(scores), self.chosen(scores)
        self.layers = TaskLayers(self.layers.encoder, self.tasks, self.own)
        self.__dict__.pop("_reach", None)  # other tasks reach the parameters now

    def _adopt(self, scores: Mapping[str, float]) -> str:
        self.split(scores)
        return f"recon(chosen_layers=[{', '.join(self.own or ())}])"

    def width(self, task: str) -> int:
        """The encoder's features."""
        return self.layers.width(task)

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """The encoder as under hard sharing."""
        yield from self.layers.initialization_streams()

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Features of the trunk, or of each task's way through it."""
        found: dict[str, Tensor] = self.layers(inputs, tasks)
        return found

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """How often gradients were in conflict in each layer, and how far own layers have gone."""
        conflicts = {f"conflicts, {layer}": dict.fromkeys(self.tasks, score) for layer, score in self.scores.items()}
        return {**conflicts, **self.layers.describe_sharing()}
