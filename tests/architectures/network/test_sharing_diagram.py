"""Who shares what: every parameter once, and a picture that is well-formed whatever tasks are called."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from polytask.architectures.network.sharing_diagram import draw_sharing, network_parts
from polytask.tasks import Regression


def test_every_parameter_lies_in_one_part(row: Any, build: Any) -> None:
    model = build(row.spelled)
    parts = network_parts(model)
    assert sum(part.parameters for part in parts) == sum(parameter.numel() for parameter in model.parameters())
    shared = sum(part.parameters for part in parts if len(part.tasks) > 1)
    assert shared == sum(parameter.numel() for parameter in model.shared_parameters().values())


def test_the_picture_is_well_formed(row: Any, build: Any) -> None:
    parts = network_parts(build(row.spelled))
    root = ElementTree.fromstring(draw_sharing(parts))
    names = {"price", "churn", "plan"}
    labels = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert names <= labels
    lines = list(root.iter("{http://www.w3.org/2000/svg}path"))
    assert len(lines) == sum(len(part.tasks) for part in parts)


def test_hostile_names_are_only_text(build: Any) -> None:
    model = build("mmoe", tasks=(Regression(name="<script>&"), Regression(name="a.b")))
    root = ElementTree.fromstring(draw_sharing(network_parts(model)))
    assert "<script>&" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
