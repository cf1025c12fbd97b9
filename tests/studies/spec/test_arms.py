"""What a user says of an arm is kept, or refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

import polytask as pt
from polytask.errors import ConfigError
from polytask.options import StudyConfig
from polytask.studies.spec.arms import parse_arm, parse_arms


def test_a_title_goes_through_a_file() -> None:
    arm = pt.Arm("mine", balancer="cagrad(c=0.3)", title="My method")
    (written,) = StudyConfig(arms=(arm,)).model_dump(mode="json")["arms"]
    assert written == {"name": "mine", "title": "My method", "balancer": "cagrad(c=0.3)"}
    again = parse_arm(written, ["a", "b"])
    assert (again.title, again.balancer, again.options, again.groups) == ("My method", "cagrad", {"c": 0.3}, (("a", "b"),))
    assert repr(arm) == "<Arm mine: title My method, balancer cagrad(c=0.3)>"


def test_arms_of_one_title_keep_their_names() -> None:
    arms = parse_arms(["single", {"name": "a", "title": "Ours"}, {"name": "b", "title": "Ours"}], ["x", "y"])
    assert [arm.title for arm in arms] == ["separate networks", "a", "b"]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"name": ""}, "an arm needs a name (found '')"),
        ({"name": "single"}, "this name is reserved"),
        ({"name": "weights=1/2"}, "this name is reserved"),
        ({"name": "x", "title": 3}, "a title must be a text (found 3)"),
        ({"name": "x", "balancer": "cagrad(d=1)"}, "these options do not fit (found 'd')"),
    ],
)
def test_what_no_arm_has_is_refused(parts: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        pt.Arm(**parts)


@pytest.mark.parametrize("name", ["groups", "function_options", "tunes_weights", "max_groups", "baseline"])
def test_what_a_study_decides_is_no_argument(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        pt.Arm("x", **{name: 1})
