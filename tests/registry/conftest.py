"""Components of a user, in a module that can be imported and one that cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polytask.registry import importing, registered

MODULE = '''
"""Components of somebody else."""
import torch
from polytask.balancing import Balancer, Nothing, Weights
from polytask.balancing.wrappers import Wrapper
from polytask.encoders import Encoder
from polytask.registry import ComponentSpec, Range


class Mine(Balancer):
    """All weights alike."""

    spec = ComponentSpec("balancer", "mine", summary="all weights alike", display="my weights", ranges=(Range("weight", 0.5, 2.0),))

    def __init__(self, weight: float = 1.0, other: Balancer | None = None) -> None:
        self.weight, self.other = weight, other

    def needs(self):
        return Nothing()

    def weigh(self, statistic):
        return Weights(torch.full((len(statistic.names),), float(self.weight), dtype=torch.float64), heads=True)


class Bare(Mine):
    pass


class Twice(Wrapper):
    """Twice the weights."""

    def weigh(self, statistic):
        answer = self.balancer.weigh(statistic)
        return Weights(2 * answer.values, heads=answer.heads)


class Narrow(Encoder):
    """One layer."""

    def __init__(self, input_shape, width: int = 3) -> None:
        super().__init__()
        self.input_shape, self.features = tuple(input_shape), width
        self.layer = torch.nn.Linear(input_shape[0], width)

    @property
    def stages(self):
        return (self.layer,)


def function() -> None:
    """No class."""
'''


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered in a test is forgotten after it."""
    monkeypatch.setattr(registered, "_registered", dict(registered._registered))
    monkeypatch.setattr(registered, "_classes", dict(registered._classes))
    monkeypatch.setattr(importing, "_folders", list(importing._folders))
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def theirs(clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an importable module with components."""
    (tmp_path / "their_parts.py").write_text(MODULE, encoding="utf-8")
    importing.add_import_path(tmp_path)
    yield "their_parts"
    sys.modules.pop("their_parts", None)
