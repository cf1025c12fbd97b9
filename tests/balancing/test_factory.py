"""Balancers and wrappers by name."""

from __future__ import annotations

import pytest

from polytask.balancing import DWA, IMTLL, Fixed, SmoothTchebycheff
from polytask.balancing.factory import balancer_for_tasks, balancer_named
from polytask.balancing.wrappers import ClipWeights, Preference, SmoothWeights, UpdateEvery, Wrapper
from polytask.errors import ConfigError
from polytask.registry import names

WEIGHTS = {"digit": 2.0, "garment": 0.5}


def test_a_plain_name() -> None:
    balancer = balancer_named("dwa", {"window": 7})
    assert isinstance(balancer, DWA)
    assert (balancer.window, balancer.temperature) == (7, 2.0)


def test_wrappers_stand_before_it_from_the_outermost_on() -> None:
    options = {"steps": 3, "balancer": {"decay": 0.5, "balancer": {"lr": 0.1}}}
    outer = balancer_named("update-every:smooth-weights:imtl-l", options)
    assert isinstance(outer, UpdateEvery)
    assert outer.steps == 3
    assert isinstance(outer.balancer, SmoothWeights)
    assert outer.balancer.decay == 0.5
    assert isinstance(outer.balancer.balancer, IMTLL)
    assert outer.balancer.balancer.lr == 0.1
    assert options == {"steps": 3, "balancer": {"decay": 0.5, "balancer": {"lr": 0.1}}}, "left as it was"


def test_task_weights_reach_whoever_uses_them() -> None:
    fixed = balancer_named("clip-weights:fixed", None, WEIGHTS)
    assert isinstance(fixed, ClipWeights)
    assert isinstance(fixed.balancer, Fixed)
    assert fixed.balancer.weights == WEIGHTS
    preferred = balancer_named("preference:equal", {}, WEIGHTS)
    assert isinstance(preferred, Preference)
    assert preferred.preference == WEIGHTS


def test_an_option_stands_before_the_task_weights_and_beside_other_defaults() -> None:
    given = balancer_named("fixed", {"weights": {"digit": 1.0}}, WEIGHTS)
    assert isinstance(given, Fixed)
    assert given.weights == {"digit": 1.0}
    smooth = balancer_named("smooth-tchebycheff", {"mu": 0.1}, WEIGHTS)
    assert isinstance(smooth, SmoothTchebycheff)
    assert (smooth.mu, smooth.preference) == (0.1, WEIGHTS)


@pytest.mark.parametrize("wrapper", names("balancer wrapper"))
def test_every_wrapper_is_found_and_is_one(wrapper: str) -> None:
    assert isinstance(balancer_named(f"{wrapper}:equal", None, WEIGHTS), Wrapper)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("equl", "equl: unknown balancer. Did you mean 'equal'"),
        ("smooth-weights:equl", "equl: unknown balancer. Did you mean 'equal'"),
        ("smothed:equal", "smothed: unknown balancer wrapper. Did you mean 'smooth-weights'"),
        ("smooth-weights:", "a component must be a name, .* or smooth-weights:upgrad"),
        ("equal:smoothed", "equal: unknown balancer wrapper"),
        ("smooth-weights", r"balancer 'smooth-weights': a wrapper needs a balancer to wrap\. For example smooth-weights:equal"),
    ],
)
def test_what_is_not_there_is_said(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        balancer_named(name)


@pytest.mark.parametrize(
    ("name", "options"),
    [("dwa", {"windows": 3}), ("smooth-weights:dwa", {"windows": 3}), ("smooth-weights:dwa", {"balancer": {"windows": 3}})],
)
def test_options_that_do_not_fit_are_one_line(name: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"these options do not fit \(found .*windows") as caught:
        balancer_named(name, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["fixed", "smooth-tchebycheff", "preference:upgrad", "momentum-conflict-free", "metabalance"])
def test_balancers_that_need_task_names_get_them(name: str) -> None:
    balancer = balancer_for_tasks(name, ("a", "b"))
    held = [*vars(balancer).values()]
    assert {"a": 1.0, "b": 1.0} in held or ("a", "b") in held or "a" in held


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("fixed(weights={a: 1.0, c: 2.0})", "unknown task"),
        ("fixed(weights={a: 1.0})", "Add 'b'"),
        ("smooth-weights:fixed(weights={a: 1.0})", "fixed, weights"),
        ("metabalance(target=c)", "unknown task"),
        ("momentum-conflict-free(tasks=[a])", "Add 'b'"),
    ],
)
def test_options_that_name_other_tasks_are_refused(given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        balancer_for_tasks(given, ("a", "b"))
