"""From options and assignments to a configuration: nothing is lost, and what does not fit is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polytask.cli.options import merged
from polytask.errors import ConfigError

MERGED: dict[str, tuple[dict[str, Any], list[str], dict[str, Any]]] = {
    "options and a whole section": ({"epochs": 2}, ["training={lr: 0.1}"], {"training": {"epochs": 2, "lr": 0.1}}),
    "the last word counts": ({"lr": 0.2}, ["training={lr: 0.1}", "training.lr=0.3"], {"training": {"lr": 0.3}}),
    "one of a section": ({}, ["encoder_options.hidden=[8]", "encoder_options.x=1"], {"encoder_options": {"hidden": [8], "x": 1}}),
    "a section in a section": ({}, ["training.optimizer_options.eps=1"], {"training": {"optimizer_options": {"eps": 1}}}),
    "another section instead": ({}, ["encoder_options={a: 1}", "encoder_options={b: 2}"], {"encoder_options": {"b": 2}}),
    "nothing chosen": ({"epochs": None, "size": "full"}, ["training.clip=null"], {"size": "full", "training": {"clip": None}}),
    "an impossible date": ({}, ["size=2001-13-45"], {"size": "2001-13-45"}),
}


@pytest.mark.parametrize("case", MERGED)
def test_options_and_assignments_are_merged(case: str) -> None:
    given, assignments, expected = MERGED[case]
    assert merged("mnist-fashion", given, assignments) == {"source": "mnist-fashion"} | expected


def test_a_file_stands_below_both(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("source: mnist-fashion\ntraining: {lr: 0.5, epochs: 9, clip: 1}\n")
    assert merged(str(path), {"epochs": 2}, ["training={lr: 0.1}"])["training"] == {"lr": 0.1, "epochs": 2, "clip": 1}


@pytest.mark.parametrize(
    ("given", "assignments", "place"),
    [
        ({}, ["training=5"], "training"),
        ({"epochs": 2}, ["training=[1]"], "training"),
        ({}, ["training=null"], "training"),
        ({}, ["encoder_options=3", "encoder_options.hidden=2"], "encoder_options"),
        ({}, ["source.name=2"], "source"),
        ({}, ["training.lr=1", "training.lr.x=2"], r"training\.lr"),
    ],
)
def test_what_is_no_mapping_takes_no_names(given: dict[str, Any], assignments: list[str], place: str) -> None:
    with pytest.raises(ConfigError, match=f"^{place}: names with values are needed here") as caught:
        merged("mnist-fashion", given, assignments)
    assert "\n" not in str(caught.value)


def test_a_file_whose_training_is_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("source: mnist-fashion\ntraining: 5\n")
    with pytest.raises(ConfigError, match="training: names with values are needed here"):
        merged(str(path), {"epochs": 2}, [])
