"""What sizes something has a limit, which is checked before anything of that size is made."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Le, Lt
from pydantic.fields import FieldInfo

from polytask.architectures.network.network_plan import NetworkPlan
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.options import RelateConfig, StudyConfig, TableOptions, TrainConfig, TrainingOptions, VerdictConfig, checked
from polytask.tasks import Binary

MODELS = (TrainingOptions, TrainConfig, StudyConfig, RelateConfig, TableOptions, VerdictConfig)


def unlimited(kind: Any, limits: tuple[Any, ...] = ()) -> Iterator[Any]:
    """The whole numbers in a type that have no upper limit."""
    if get_origin(kind) is Annotated:
        plain, *notes = get_args(kind)
        found = [one for note in notes for one in (note.metadata if isinstance(note, FieldInfo) else [note])]
        yield from unlimited(plain, (*limits, *found))
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from unlimited(one, limits)
    elif get_args(kind):
        for one in get_args(kind):
            yield from unlimited(one)
    elif kind is int and not any(isinstance(limit, Le | Lt) for limit in limits):
        yield kind


@pytest.mark.parametrize("model", MODELS)
def test_every_whole_number_has_an_upper_limit(model: type) -> None:
    hints = get_type_hints(model, include_extras=True)
    fields = getattr(model, "model_fields", None) or hints
    assert [name for name in fields if [*unlimited(hints[name])]] == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"seeds": 10**12}, "at most 10000 seeds"),
        ({"looks": [3, 10**12]}, "at most 10000 seeds"),
        ({"seeds": [0, 10**30]}, "seeds.1"),
        ({"hidden": [10**9]}, "hidden.0"),
        ({"workers": 10**6}, "workers"),
        ({"training": {"threads": 100_000}}, "training.threads"),
        ({"training": {"micro_batches": 10**12}}, "training.micro_batches"),
        ({"training": {"unfreeze": {10**12: ["encoder"]}}}, "training.unfreeze"),
    ],
)
def test_a_number_beyond_its_limit_is_refused_in_a_line(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as error:
        checked(StudyConfig, {"source": "mnist-fashion", **given}, where="study")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("encoder", "architecture", "text"),
    [
        ({"hidden": (2**21,)}, "hard", "at most 1048576"),
        ({"hidden": (2**20, 2**20)}, "hard", "does not fit in the memory"),
        ({"hidden": (8,)}, "mmoe(experts=1000000)", "at most 256 is needed"),
        ({"hidden": (2**20,)}, "mmoe(experts=200)", "does not fit in the memory"),
    ],
)
def test_a_network_beyond_the_memory_is_refused_before_it_is_built(encoder: dict[str, Any], architecture: str, text: str) -> None:
    plan = NetworkPlan("mlp", (400,), encoder, architecture)
    with pytest.raises(ConfigError, match=text):
        plan.build((Binary(name="churn"),), seed=0)


def test_arguments_in_python_have_the_same_limits() -> None:
    with pytest.raises(ConfigError, match="mlp, hidden: a whole number of at most 1048576"):
        MLP((4,), hidden=(10**12,))
