"""Numeric arguments of components of a wrong type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from polytask.balancing import DWA, CAGrad, Fixed, MomentumConFIG, Needs, Nothing, Statistic, Weights
from polytask.balancing.balancer import Balancer
from polytask.balancing.factory import balancer_named
from polytask.encoders import MLP
from polytask.errors import ConfigError


class Mine(Balancer):
    """Weights to a power."""

    def __init__(self, power: float | None = None) -> None:
        self.power = power

    def needs(self) -> Needs:
        return Nothing()

    def weigh(self, statistic: Statistic) -> Weights:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CAGrad(c="x"), "cagrad, c: a number is needed .found 'x'."),
        (lambda: balancer_named("cagrad(c=x)"), "cagrad, c: a number is needed"),
        (lambda: balancer_named("smooth-weights(decay=x):cagrad"), "smooth-weights, decay: a number is needed"),
        (lambda: DWA(window=2.5), "dwa, window: a whole number is needed"),
        (lambda: Fixed({"a": "x"}), "fixed, weights: a mapping from names to numbers is needed"),
        (lambda: MomentumConFIG("ab"), "tasks: a list of names is needed"),
        (lambda: MLP((4,), hidden=("x",)), "mlp, hidden: a list of whole numbers is needed"),
        (lambda: Mine("abc"), "mine, power: a number is needed"),
    ],
)
def test_they_are_refused_in_one_line(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_numbers_of_numpy_and_none_fit() -> None:
    assert CAGrad(c=np.float32(0.5)).c == 0.5
    assert DWA(window=np.int64(3)).window == 3
    assert Mine().power is None
    assert Mine(None).power is None
