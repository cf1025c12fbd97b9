"""Every component object knows its call, which reads as Python and as users spell it, and back."""

from __future__ import annotations

import copy
import inspect
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from polytask.architectures import MMoE
from polytask.balancing import CAGrad, Equal, Fixed
from polytask.balancing.wrappers import SmoothWeights, UpdateEvery
from polytask.encoders import MLP, ModuleEncoder
from polytask.errors import ConfigError
from polytask.registry import Component, ComponentSpec, call_of, find, load_class, names, specs_of, spelled, spelled_as
from polytask.registry.constructor_calls import Call, named_options
from polytask.registry.parsing import parse_call, parse_value
from polytask.registry.resolve import resolve
from polytask.tasks import Multiclass, Regression

NEEDED: dict[tuple[str, str], dict[str, Any]] = {
    ("balancer", "fixed"): {"weights": {"a": 0.5, "b": 2.0}},
    ("balancer", "momentum-conflict-free"): {"tasks": ("a", "b")},
    ("balancer", "metabalance"): {"target": "a"},
    ("balancer", "pcd"): {"main": "a"},
    ("task kind", "multiclass"): {"classes": ("x", "y")},
    ("task kind", "binary"): {"classes": (False, True)},
    ("task kind", "multilabel"): {"classes": ("x", "y")},
    ("task kind", "ordinal"): {"classes": (1, 2, 3)},
    ("task kind", "tagging"): {"classes": ("O", "B-x")},
    ("task kind", "vector"): {"columns": ("x", "y")},
    ("encoder", "text"): {"words": 9},
    ("encoder", "tabular"): {"cardinalities": (0, 3), "missing_indicators": (True, False)},
    ("task kind", "custom"): {"loss": "torch.nn.functional:mse_loss", "metric": "rmse"},
    ("callback", "affinity"): {"measures": ("cosine",)},
    ("data set", "mnist-fashion"): {"size": "sample"},
    ("data set", "multi-fashion-mnist"): {"size": "sample"},
}
"""Options without a usable default."""
SEQUENCES = {"gru": (5, 2), "tcn": (5, 2), "transformer": (5, 2)}
SHAPES = {"conv": (1, 12, 12), "lenet": (1, 16, 16), "resnet": (1, 8, 8), "text": (5,), "tabular": (2,), **SEQUENCES}
ELSEWHERE = {("encoder", "pretrained"), ("balancer", "torchjd")}
"""They need another library; what they are given is plain data as that of all others."""
EVERY = [
    spec
    for group in ("task kind", "encoder", "architecture", "balancer", "sampler", "data set", "callback", "baseline")
    for spec in specs_of(group)
    if (spec.group, spec.name) not in ELSEWHERE
]


def context_of(spec: ComponentSpec) -> dict[str, Any]:
    """What comes from where a component is used."""
    if spec.group == "encoder":
        return {"input_shape": SHAPES.get(spec.name, (4,))}
    if spec.group == "architecture":
        return {"encoder": MLP((4,), hidden=(8, 6)), "tasks": ("a", "b")}
    if spec.group == "sampler":
        rows = {"a": 9, "b": 4}
        return {"rows": rows, "batch_sizes": rows} if spec.name == "proportional" else {"rows": rows, "batch_size": 3}
    return {"task kind": {"name": "a"}, "callback": {"tasks": ("a", "b")}}.get(spec.group, {})


def options_for(spec: ComponentSpec, draw: Any) -> dict[str, Any]:
    """Options of a component: those that it may be tuned by are drawn, and some of the others are spelled out."""
    parameters = inspect.signature(load_class(spec)).parameters
    drawn = {own.name: draw(st.floats(own.low, own.high)) for own in spec.ranges}
    defaults = {name: own.default for name, own in parameters.items() if own.default is not own.empty and name not in drawn}
    plain = {name: value for name, value in defaults.items() if value is None or isinstance(value, bool | int | float | str | tuple)}
    chosen = draw(st.sets(st.sampled_from(sorted(plain)))) if plain else set()
    needed = NEEDED.get((spec.group, spec.name), {})
    context = load_class(spec).component_context
    return {**{name: plain[name] for name in sorted(chosen) if name not in context}, **drawn, **needed}


@pytest.mark.sampled(4, drawn=True)
@settings(max_examples=settings.default.max_examples // 12)
@given(data=st.data())
@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: f"{spec.group} {spec.name}")
def test_object_to_text_to_object(spec: ComponentSpec, data: st.DataObject) -> None:
    context, options = context_of(spec), options_for(spec, data.draw)
    made = load_class(spec)(**context, **options)
    for text in (str(made), spelled(call_of(made))):
        again = resolve(spec.group, text)
        assert again.spec is spec
        assert named_options(call_of(again.build(**context))) == named_options(call_of(made))
        assert again.text == str(made), "written and read any number of times"
    if not context:
        assert repr(resolve(spec.group, repr(made)).build()) == repr(made)


@pytest.mark.sampled(4, drawn=True)
@settings(max_examples=settings.default.max_examples // 12)
@given(data=st.data())
@pytest.mark.parametrize("wrapper", names("balancer wrapper"))
@pytest.mark.parametrize("name", ["equal", "cagrad", "fixed", "famo"])
def test_wrapped_balancers_too(wrapper: str, name: str, data: st.DataObject) -> None:
    inner = load_class(find("balancer", name))(**options_for(find("balancer", name), data.draw))
    kind = load_class(find("balancer wrapper", wrapper))
    extra = {"preference": {"a": 1.0}} if wrapper == "preference" else {}
    made = SmoothWeights(kind(inner, **extra), decay=data.draw(st.floats(0, 0.99)))
    assert str(made).startswith(f"smooth-weights(decay={made.decay!r}):{wrapper}")
    for text in (str(made), repr(made)):
        again = resolve("balancer", text).build()
        assert (str(again), repr(again)) == (str(made), repr(made))
        assert type(again.balancer.balancer) is type(inner)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["C"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)


@given(value=PLAIN)
def test_plain_data_is_read_back_as_it_was(value: Any) -> None:
    call = parse_call(spelled_as("anything", {"value": value}))
    assert repr(call.options["value"]) == repr(value)


@pytest.mark.parametrize(
    ("component", "python", "text"),
    [
        (CAGrad(c=0.4), "CAGrad(c=0.4)", "cagrad(c=0.4)"),
        (CAGrad(0.3), "CAGrad(0.3)", "cagrad(c=0.3)"),
        (Equal(), "Equal()", "equal"),
        (Fixed({"a": 1}), "Fixed({'a': 1})", "fixed(weights={a: 1})"),
        (SmoothWeights(CAGrad(c=0.4), decay=0.5), "SmoothWeights(CAGrad(c=0.4), decay=0.5)", "smooth-weights(decay=0.5):cagrad(c=0.4)"),
        (UpdateEvery(balancer=SmoothWeights(Equal())), "UpdateEvery(balancer=SmoothWeights(Equal()))", "update-every:smooth-weights:equal"),
        (MLP((4,), hidden=(8, 6)), "MLP((4,), hidden=(8, 6))", "mlp(hidden=(8, 6))"),
        (MMoE(MLP((4,)), ("a", "b"), experts=3), "MMoE(MLP((4,)), ('a', 'b'), experts=3)", "mmoe(experts=3)"),
        (Regression(name="a"), "Regression(name='a')", "regression"),
        (Regression(name="a", mean=2.0, metric="mae"), "Regression(name='a', metric='mae', mean=2.0)", "regression(metric=mae, mean=2.0)"),
        (Multiclass(name="a", classes=("x", "no")), "Multiclass(name='a', classes=('x', 'no'))", "multiclass(classes=(x, 'no'))"),
        (MLP((np.int64(4),), hidden=[np.int64(2)]), "MLP((4,), hidden=[2])", "mlp(hidden=[2])"),
        (CAGrad(c=np.float64(0.5)), "CAGrad(c=0.5)", "cagrad(c=0.5)"),
    ],
    ids=repr,
)
def test_repr_is_the_call_and_str_the_spelled_name(component: Component, python: str, text: str) -> None:
    assert (repr(component), str(component)) == (python, text)


def test_copies_and_changes_keep_the_call() -> None:
    encoder = MLP((4,), hidden=(8,))
    for again in (copy.deepcopy(encoder), copy.copy(encoder)):
        assert repr(again) == repr(encoder)
    balancer = copy.deepcopy(SmoothWeights(CAGrad(c=0.3)))
    assert str(balancer) == "smooth-weights:cagrad(c=0.3)"
    task = replace(Regression(name="a"), mean=1.0)
    assert repr(task) == "Regression(name='a', mean=1.0)"


def test_a_call_keeps_what_was_given_when_it_was_given() -> None:
    weights = {"a": 1.0}
    balancer = Fixed(weights)
    weights["a"] = 5.0
    assert str(balancer) == "fixed(weights={a: 1.0})"


def test_a_call_keeps_nothing_alive_and_adds_nothing_to_the_state() -> None:
    encoder = MLP((4,), hidden=(8,))
    wrapped = ModuleEncoder(nn.Sequential(nn.Linear(4, 2)), (4,))
    assert vars(wrapped)["_made_with"][0][0] is not wrapped.module
    assert all("made" not in name for name in {**encoder.state_dict(), **dict(wrapped.named_modules())})
    assert repr(wrapped) == "ModuleEncoder(<Sequential>, (4,))"
    assert str(wrapped) == repr(wrapped), "what cannot be spelled is shown"


def test_signatures_are_as_they_were_written() -> None:
    assert list(inspect.signature(CAGrad).parameters) == ["c", "rescale"]
    assert list(inspect.signature(MLP).parameters) == ["input_shape", "hidden"]


def test_calls_of_the_outermost_class_alone_are_kept() -> None:
    class Outer(CAGrad):  # type: ignore[misc] # the tests may
        def __init__(self, twice: float) -> None:
            super().__init__(c=twice / 2)

    class Silent(CAGrad):  # type: ignore[misc]
        pass

    @dataclass(eq=False)
    class AsData(Equal):  # type: ignore[misc]
        strength: float = 1.0

    assert repr(Outer(0.5)) == "Outer(0.5)"
    assert repr(Silent(c=0.2)) == "Silent(c=0.2)"
    assert repr(AsData(strength=2.0)) == "AsData(strength=2.0)"
    assert repr(AsData()) == "AsData()"


def test_what_is_no_plain_data_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"only numbers, texts, lists and mappings .*found <Sequential>.*import path") as caught:
        spelled(call_of(ModuleEncoder(nn.Sequential(nn.Linear(4, 2)), (4,))))
    assert "\n" not in str(caught.value)


def test_paths_become_texts() -> None:
    assert parse_value(spelled_as("x", {"folder": str(Path("a/b"))}).removeprefix("x(folder=").removesuffix(")")) == "a/b"
    assert math.isinf(parse_value("inf"))


def test_a_call_compares_by_what_it_says() -> None:
    assert Call("mlp", (), {"hidden": (2,)}) == Call("mlp", (), {"hidden": (2,)}, cls=MLP)
