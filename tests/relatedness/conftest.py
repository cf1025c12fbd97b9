"""A linear network small enough to compute by hand, before its first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polytask.architectures import MultiTaskModel
from polytask.data import Normalization, Source
from polytask.encoders import Encoder
from polytask.relatedness.lookahead_losses import StepSnapshot
from polytask.tasks import Regression
from polytask.training.fit_model import build_loop
from polytask.training.loop.training_loop import TrainingLoop
from polytask.training.preparation.batch import Batch

Floats = NDArray[np.float64]


class Linear(Encoder):
    """h = x W, without a bias: all that tasks share."""

    def __init__(self, weight: Floats) -> None:
        super().__init__()
        self.input_shape, self.features = (weight.shape[0],), weight.shape[1]
        self.layer = nn.Linear(weight.shape[0], weight.shape[1], bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(weight.T))

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """One."""
        return (self.layer,)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs to features."""
        return self.layer(inputs)


class ByHand:
    """Tasks y_t on rows x, with given heads: predictions h w_t, mean squared errors.

    Attributes:
        x: (N, d) what the network sees.
        y: Per task (N,) what it shall say.
        W: (d, f) the encoder.
        w: Per task (f,) its head.
    """

    def __init__(self, x: Floats, y: Mapping[str, Floats], W: Floats, w: Mapping[str, Floats]) -> None:
        self.x, self.y, self.W, self.w = x, y, W, w

    @classmethod
    def drawn(cls, seed: int, tasks: int = 3, rows: int = 12, features: int = 4) -> ByHand:
        """Everything at random."""
        random = np.random.default_rng(seed)
        names = [f"t{number}" for number in range(tasks)]
        x, W = random.normal(size=(rows, 3)), random.normal(size=(3, features))
        return cls(x, {name: random.normal(size=rows) for name in names}, W, {name: random.normal(size=features) for name in names})

    def loop(self, **choices: Any) -> TrainingLoop:
        """Of the network, before its first step."""
        tasks = [Regression(name=name) for name in self.y]
        random = np.random.default_rng(0)
        source = Source("rows", random.normal(size=(40, self.x.shape[1])).astype("float32"), dict.fromkeys(self.y, random.normal(size=40)))
        model = MultiTaskModel(Linear(self.W), tasks, hidden=())
        with torch.no_grad():
            for name, head in self.w.items():
                last: Any = list(model.head(name).modules())[-1]
                last.weight.copy_(torch.from_numpy(head[None]))
                last.bias.zero_()
        loop, _ = build_loop(model, [source], **{"lr": 0.05, "optimizer": "SGD", "threads": 1, **choices})
        return loop

    @property
    def batch(self) -> dict[str, Batch]:
        """The rows as they are, of which neither inputs nor targets are scaled."""
        targets = {name: torch.from_numpy(y.astype("float32")) for name, y in self.y.items()}
        plain = Normalization((0.0,) * self.x.shape[1], (1.0,) * self.x.shape[1])
        return {"rows": Batch("rows", torch.from_numpy(self.x.astype("float32")), targets, dict.fromkeys(targets), plain)}

    def glance(self, **choices: Any) -> StepSnapshot:
        """A look at all rows."""
        return StepSnapshot(self.loop(**choices), self.batch)

    def loss(self, task: str, W: Floats) -> float:
        """L_t with another encoder."""
        return float(np.mean((self.x @ W @ self.w[task] - self.y[task]) ** 2))

    def gradient(self, task: str) -> Floats:
        """(d, f) ∂L_t/∂W = 2/N xᵀ (h w_t − y_t) w_tᵀ."""
        missed = self.x @ self.W @ self.w[task] - self.y[task]
        return 2 / len(self.x) * np.outer(self.x.T @ missed, self.w[task])

    def affinities(self, lr: float) -> Floats:
        """(T, T) Z by its definition."""
        return np.array([[1 - self.loss(j, self.W - lr * self.gradient(i)) / self.loss(j, self.W) for j in self.y] for i in self.y])


@pytest.fixture
def by_hand() -> type[ByHand]:
    """The class of problems."""
    return ByHand
