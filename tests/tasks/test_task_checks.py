"""Wrong tasks and sources are refused in one line by everything that takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

import polytask as pt
from polytask.balancing import CAGrad
from polytask.data import Source, check_sources
from polytask.errors import ConfigError
from polytask.tasks import Regression, check_tasks

SOURCE = Source("toy", np.zeros((4, 2), "float32"), {"a": np.arange(4.0)})
TASKS = (Regression(name="a"),)
CALLS: dict[str, Callable[[], Any]] = {
    "a name": lambda: pt.fit(["regression"], [SOURCE]),  # type: ignore[list-item]
    "a class": lambda: pt.fit([Regression], [SOURCE]),  # type: ignore[list-item]
    "a balancer": lambda: pt.fit([CAGrad()], [SOURCE]),  # type: ignore[list-item]
    "a PyTorch module": lambda: pt.fit(nn.Linear(2, 1), [SOURCE]),  # type: ignore[arg-type]
    "one task": lambda: pt.fit(TASKS[0], [SOURCE]),  # type: ignore[arg-type]
    "one source": lambda: pt.fit(TASKS, SOURCE),  # type: ignore[arg-type]
    "an array": lambda: pt.fit(TASKS, [np.zeros(2)]),  # type: ignore[list-item]
    "no source": lambda: pt.fit(TASKS, []),
    "names in a study": lambda: pt.Study([SOURCE], ["a"], test=lambda: (SOURCE,)),  # type: ignore[list-item]
    "a number as sources of a study": lambda: pt.Study(3, TASKS, test=lambda: (SOURCE,)),  # type: ignore[arg-type]
    "names in relate": lambda: pt.relate([SOURCE], ["a", "b"]),  # type: ignore[list-item]
    "names in a model": lambda: pt.MultiTaskModel(pt.encoders.MLP((2,)), ["a"]),  # type: ignore[list-item]
    "a number as predictions": lambda: pt.verdict(3),  # type: ignore[arg-type]
    "a number as shared parameters": lambda: pt.Backward("equal", tasks=("a",), shared=3),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", CALLS)
def test_what_is_no_task_source_or_model_is_refused_in_one_line(case: str) -> None:
    with pytest.raises(ConfigError, match=r"needed|must be|required") as caught:
        CALLS[case]()
    assert "\n" not in str(caught.value)


def test_what_is_right_comes_back_as_a_tuple() -> None:
    assert check_tasks(list(TASKS)) == TASKS
    assert check_sources([SOURCE]) == (SOURCE,)
