"""Fixed weights."""

from __future__ import annotations

import pytest
import torch

from polytask.balancing import Fixed, statistic_from_jacobian
from polytask.errors import ConfigError
from polytask.tasks import Binary, Regression
from polytask.training import make_balancer


def test_by_name_it_takes_the_tasks_own_weights() -> None:
    balancer = make_balancer("fixed", (Binary(name="churn", weight=2.0), Regression(name="value", weight=0.5)), seed=0)
    assert isinstance(balancer, Fixed)
    assert balancer.weights == {"churn": 2.0, "value": 0.5}


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_a_weight_that_cannot_be(weight: float) -> None:
    with pytest.raises(ConfigError, match="from 0 up"):
        Fixed({"a": weight})


def test_a_task_without_a_weight_is_named() -> None:
    with pytest.raises(ConfigError, match="task '1'"):
        Fixed({"0": 1.0}).weigh(statistic_from_jacobian(torch.eye(2)))


def test_an_option_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(ConfigError, match="balancer 'uncertainty'"):
        make_balancer("uncertainty", (Binary(name="churn"),), seed=0, options={"rate": 1})
