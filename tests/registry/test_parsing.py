"""Balancers as users write them."""

from __future__ import annotations

import pytest

from polytask.errors import ConfigError
from polytask.registry.parsing import parse_balancer, split_outside


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("equal", "equal", {}),
        ("fixed(weights={a: 0.5, b: 2})", "fixed", {"weights": {"a": 0.5, "b": 2}}),
        ("uncertainty(lr=1e-3, initial_value=0)", "uncertainty", {"lr": 1e-3, "initial_value": 0}),
        ("uncertainty( lr = 0.5 )", "uncertainty", {"lr": 0.5}),
        ("smooth-weights:uncertainty", "smooth-weights:uncertainty", {}),
        ("smooth-weights(decay=0.5):uncertainty(lr=0.1)", "smooth-weights:uncertainty", {"decay": 0.5, "balancer": {"lr": 0.1}}),
        ("update-every(steps=3):smooth-weights:equal", "update-every:smooth-weights:equal", {"steps": 3}),
        ("update-every:smooth-weights:uncertainty(lr=2)", "update-every:smooth-weights:uncertainty", {"balancer": {"balancer": {"lr": 2}}}),
    ],
)
def test_what_users_write_is_read(text: str, name: str, options: dict[str, object]) -> None:
    assert parse_balancer(text) == (name, options)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("equa", "Did you mean 'equal'"),
        ("smothed:equal", "Did you mean 'smooth-weights'"),
        ("equal:smoothed", "unknown balancer"),
        ("equal(", "options in parentheses"),
        ("", "options in parentheses"),
        ("equal(c)", "name=value"),
        ("equal(c=[1)", "cannot be parsed"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        parse_balancer(text)
    assert "\n" not in str(caught.value)


def test_a_list_is_split_between_its_parts_only() -> None:
    assert split_outside("single,smooth-weights(decay=0.5, b=1):equal,weights=1/2") == [
        "single",
        "smooth-weights(decay=0.5, b=1):equal",
        "weights=1/2",
    ]
