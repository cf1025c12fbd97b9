"""Names, import paths, classes and objects become components in one place, and anything else is refused there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from polytask.balancing import CAGrad, Equal
from polytask.balancing.factory import balancer_named
from polytask.balancing.wrappers import SmoothWeights, Wrapper
from polytask.encoders import MLP
from polytask.errors import ConfigError
from polytask.registry import GROUPS, ComponentSpec, find, names, register, specs_of
from polytask.registry.parsing import import_paths_in, parse_component
from polytask.registry.resolve import Resolved, given_components, resolve, written
from polytask.training.callback import Callback


@pytest.mark.parametrize(
    "given",
    [
        "cagrad(c=0.3)",
        "CAGrad(c=0.3)",
        "CAGrad(0.3)",
        "polytask.balancing.gradient_based.cagrad:CAGrad(0.3)",
        "  cagrad( c = 0.3 ) ",
        CAGrad(c=0.3),
        CAGrad(0.3),
    ],
    ids=str,
)
def test_all_ways_to_give_one_thing_are_one(given: Any) -> None:
    found = resolve("balancer", given)
    assert (found.name, found.cls, found.options, found.text) == ("cagrad", CAGrad, {"c": 0.3}, "cagrad(c=0.3)")
    assert (found.object is None) == isinstance(given, str)


def test_a_class_is_itself_with_its_defaults() -> None:
    assert resolve("balancer", CAGrad) == Resolved(resolve("balancer", "cagrad").spec, CAGrad)
    assert resolve("encoder", MLP).build((4,)).features == 64


@pytest.mark.parametrize(
    "given",
    ["smooth-weights(decay=0.5):cagrad(c=0.3)", "SmoothWeights(CAGrad(c=0.3), decay=0.5)", SmoothWeights(CAGrad(c=0.3), decay=0.5)],
    ids=str,
)
def test_wrappers_hold_what_they_wrap(given: Any) -> None:
    found = resolve("balancer", given)
    assert (found.name, found.nested) == ("smooth-weights:cagrad", {"decay": 0.5, "balancer": {"c": 0.3}})
    assert found.innermost.cls is CAGrad
    assert found.build().balancer.c == 0.3


def test_classes_of_users_by_import_path(theirs: str) -> None:
    found = resolve("balancer", f"{theirs}:Mine(weight=2)")
    assert (found.spec.title, found.spec.ranges[0].high, found.name) == ("my weights", 2.0, f"{theirs}:Mine")
    assert found.build().aggregate(torch.eye(2)).tolist() == [2.0, 2.0]
    wrapped = balancer_named(f"smooth-weights(decay=0.5):{theirs}:Mine(weight=2)")
    assert str(wrapped) == f"smooth-weights(decay=0.5):{theirs}:Mine(weight=2)"
    twice = balancer_named(f"{theirs}:Twice:{theirs}:Mine(3)")
    assert isinstance(twice, Wrapper)
    assert twice.aggregate(torch.eye(2)).tolist() == [6.0, 6.0]
    assert str(twice) == f"{theirs}:Twice:{theirs}:Mine(weight=3)"
    assert resolve("encoder", f"{theirs}:Narrow(width=5)").build((4,)).features == 5


def test_a_class_without_a_declaration_has_the_least(theirs: str) -> None:
    spec = resolve("balancer", f"{theirs}:Bare").spec
    assert (spec.name, spec.summary, spec.target) == ("bare", "Bare", f"{theirs}:Bare")


def test_components_within_options_are_made(theirs: str) -> None:
    text = f"{theirs}:Mine(other=CAGrad(c=0.3))"
    made = resolve("balancer", text).build()
    assert isinstance(made.other, CAGrad)
    assert made.other.c == 0.3
    assert str(made) == text
    deeper = f"{theirs}:Mine(other={theirs}:Mine(weight=4))"
    assert resolve("balancer", deeper).build().other.weight == 4
    assert import_paths_in(deeper) == (f"{theirs}:Mine",)


def test_names_that_were_registered_resolve_with_what_the_class_declares(theirs: str) -> None:
    register("balancer", "theirs", f"{theirs}:Mine")
    found = resolve("balancer", "smooth-weights:theirs(weight=2)")
    assert found.innermost.spec.ranges
    assert found.text == "smooth-weights:theirs(weight=2)"
    assert str(found.innermost.cls(weight=2)) == "theirs(weight=2)"


@pytest.mark.parametrize("text", ["{0}:Mine", "smooth-weights:{0}:Mine", "{0}:Twice:equal", "preference(preference={0}:Mine()):equal"])
def test_import_paths_may_be_forbidden(theirs: str, text: str) -> None:
    given = text.format(theirs)
    with pytest.raises(ConfigError, match=rf"not followed \(found {theirs}:.*components=\[(Mine|Twice)\].*--component {theirs}:") as caught:
        resolve("balancer", given, imports=False)
    assert "\n" not in str(caught.value)


def test_classes_that_are_handed_in_are_no_imports(theirs: str) -> None:
    mine = resolve("balancer", f"{theirs}:Mine").cls
    for name in (f"{theirs}:Mine(weight=2)", "mine(weight=2)"):
        assert resolve("balancer", name, imports=False, components=[mine]).cls is mine
    with pytest.raises(ConfigError, match="not followed"):
        resolve("balancer", f"{theirs}:Twice:{theirs}:Mine", imports=False, components=[mine])
    with pytest.raises(ConfigError, match="unknown balancer"):
        resolve("balancer", "mine")


def test_classes_that_are_handed_in_take_no_registered_name(theirs: str) -> None:
    """A user's class may have the name of a built-in component, of its own group or of another."""
    own = type("MLP", (resolve("encoder", f"{theirs}:Narrow").cls,), {})
    assert resolve("encoder", "mlp", imports=False, components=[own]).cls is MLP
    other = type("Hard", (own,), {})
    assert resolve("architecture", "hard", imports=False, components=[other]).name == "hard"


def test_what_is_handed_in_is_a_component(theirs: str) -> None:
    mine = resolve("balancer", f"{theirs}:Mine").cls
    assert given_components([mine, MLP((2,)), CAGrad]) == (mine, MLP, CAGrad)
    assert given_components(CAGrad()) == (CAGrad,)
    for wrong in (None, "mypkg.mod:Mine", [f"{theirs}:Mine"], [nn.Linear(1, 1)], [int]):
        with pytest.raises(ConfigError, match=r"components: a list of classes or objects of components is needed .*components=\[Mine\]"):
            given_components(wrong)


def test_registered_names_are_no_imports(theirs: str) -> None:
    register("balancer", "theirs", f"{theirs}:Mine")
    assert resolve("balancer", "theirs", imports=False).name == "theirs"
    assert resolve("balancer", "polytask.balancing.gradient_based.cagrad:CAGrad", imports=False).name == "cagrad"


class Incomplete(Equal.__mro__[1]):  # type: ignore[misc] # Balancer, which Equal derives from
    """Without its methods."""


@pytest.mark.parametrize(
    ("group", "given", "text"),
    [
        ("balancer", MLP((4,)), "balancer: a balancer is needed (found an encoder, MLP). Give a registry name, an import path"),
        ("balancer", MLP, "balancer: a balancer is needed (found the class MLP, an encoder)"),
        ("encoder", Equal(), "encoder: an encoder is needed (found a balancer, Equal)"),
        ("encoder", nn.Linear(2, 2), "an encoder is needed (found the PyTorch module Linear)"),
        ("encoder", nn.Linear(2, 2), "Give its class, or a function that makes it"),
        ("balancer", torch, "(found the module torch)"),
        ("balancer", 3, "(found 3)"),
        ("balancer", None, "(found None)"),
        ("balancer", "polytask.encoders.mlp:MLP", "a balancer is needed (found the class MLP, an encoder)"),
        ("balancer", "nowhere.at.all:Mine", "No module named 'nowhere'"),
        ("balancer", "math:Mine", "the module has no such class"),
        ("balancer", "polytask.balancing.gradient_based.cagrad:CAGrd", "Did you mean 'CAGrad'"),
        ("balancer", "CAGrd(c=1)", "Did you mean 'cagrad'"),
        ("balancer", "cagrad(d=1)", "these options do not fit (found 'd')"),
        ("balancer", "CAGrad(0.1, 1, 2)", "these arguments do not fit"),
        ("balancer", "smooth-weights", "a wrapper needs a balancer to wrap"),
        ("balancer", "SmoothWeights()", "a wrapper needs a balancer to wrap"),
        ("balancer", Incomplete, "the class is abstract (found the class Incomplete, a balancer). Define needs, weigh"),
        ("architecture", "mlp", "unknown architecture"),
        ("callback", "affinty", "Did you mean 'affinity'"),
        ("callback", Callback.__mro__[1], "a callback is needed"),
        ("sampler", "temprature", "Did you mean 'temperature'"),
        ("balancer", "fixed(weights=Unknown(1))", "unknown component"),
    ],
)
def test_what_it_is_not_is_refused_where_it_is_given(group: str, given: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(group, given).build()
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_place_is_named() -> None:
    with pytest.raises(ConfigError, match=r"arm 'x', balancer: unknown balancer \(found 'equl'\)\. Did you mean 'equal'"):
        resolve("balancer", "equl", where="arm 'x', balancer")


def test_what_another_process_cannot_read_has_no_text() -> None:
    class Local(CAGrad):  # type: ignore[misc]
        """In a function."""

    with pytest.raises(ConfigError, match=r"a class inside a function cannot be stored .* Move it to a module") as caught:
        resolve("balancer", Local(c=0.3)).text  # noqa: B018 - the look-up is the test
    assert "\n" not in str(caught.value)
    assert repr(Local(c=0.3)) == "Local(c=0.3)", "it is used all the same"
    assert balancer_named(Local).c == 0.4


@pytest.mark.parametrize("name", ["Mine", "my_method", "", "a b"])
def test_names_are_in_kebab_case(name: str) -> None:
    with pytest.raises(ConfigError, match="the name of a balancer must be in kebab case"):
        ComponentSpec("balancer", name)


@pytest.mark.parametrize("group", [group for group in GROUPS if " " in group])
def test_groups_have_hyphens_or_spaces(group: str) -> None:
    hyphens = group.replace(" ", "-")
    assert names(hyphens) == names(group) != ()
    assert specs_of(hyphens) == specs_of(group)
    name = names(group)[0]
    text = f"{name}:equal" if "wrapper" in group else name
    spaced, hyphened = (resolve("balancer" if "wrapper" in group else own, text) for own in (group, hyphens))
    assert (spaced, find(hyphens, name)) == (hyphened, find(group, name))
    assert written(hyphens, spaced.cls) == written(group, spaced.cls)
    assert parse_component(hyphens, name) == parse_component(group, name)


def test_groups_are_known() -> None:
    for look_up in (names, specs_of, lambda group: find(group, "equal"), lambda group: resolve(group, "equal")):
        with pytest.raises(ConfigError, match=r"unknown group of components.* Did you mean 'balancer'"):
            look_up("ballancer")
    with pytest.raises(ConfigError, match="unknown group of components"):
        ComponentSpec("ballancer", "mine")
