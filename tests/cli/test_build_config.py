"""From options and assignments to a configuration: nothing is lost, and what does not fit is one line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from polytask.cli.app import SEVERAL, app
from polytask.cli.build_config import merged, run_name
from polytask.cli.generate_command import generated_command, offered_fields
from polytask.cli.table_source import spread
from polytask.datasets.mnist_fashion import MnistFashion
from polytask.errors import ConfigError
from polytask.options import (
    CurveConfig,
    NetworkConfig,
    RelateConfig,
    StudyConfig,
    TableOptions,
    TrainConfig,
    TrainingOptions,
    checked,
    fields_of,
)
from polytask.studies.spec.study_presets import preset_study_options

MERGED: dict[str, tuple[dict[str, Any], list[str], dict[str, Any]]] = {
    "options and a whole section": ({"training": {"epochs": 2}}, ["training={lr: 0.1}"], {"training": {"epochs": 2, "lr": 0.1}}),
    "the last word counts": ({"training": {"lr": 0.2}}, ["training={lr: 0.1}", "training.lr=0.3"], {"training": {"lr": 0.3}}),
    "one of a section": ({}, ["encoder_options.hidden=[8]", "encoder_options.x=1"], {"encoder_options": {"hidden": [8], "x": 1}}),
    "a section in a section": ({}, ["training.optimizer_options.eps=1"], {"training": {"optimizer_options": {"eps": 1}}}),
    "another section instead": ({}, ["encoder_options={a: 1}", "encoder_options={b: 2}"], {"encoder_options": {"b": 2}}),
    "nothing chosen": ({"": {"size": "full"}}, ["training.max_grad_norm=null"], {"size": "full", "training": {"max_grad_norm": None}}),
    "an impossible date": ({}, ["size=2001-13-45"], {"size": "2001-13-45"}),
}


@pytest.mark.parametrize("case", MERGED)
def test_options_and_assignments_are_merged(case: str) -> None:
    given, assignments, expected = MERGED[case]
    assert merged("mnist-fashion", given, assignments) == {"source": "mnist-fashion"} | expected


def test_a_data_set_may_be_named_by_its_import_path(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("source: 'mypkg.more:Toy'", encoding="utf-8")
    assert merged("mypkg.more:Toy", {}, []) == merged(str(path), {}, []) == {"source": "mypkg.more:Toy"}
    assert run_name({"source": "mypkg.more:Toy(size=full)"}) == "Toy"
    path.write_text("{source: 'mypkg.more:Toy', version: '1'}", encoding="utf-8")
    with pytest.raises(ConfigError, match="import paths in a file written by polytask are not followed"):
        merged(str(path), {}, [])


def test_a_data_set_may_be_a_class_or_an_object() -> None:
    assert StudyConfig(source=MnistFashion).source == "mnist-fashion"  # type: ignore[arg-type]
    assert StudyConfig(source=MnistFashion("sample")).source == "mnist-fashion(size=sample)"  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a data set is needed"):
        checked(StudyConfig, {"source": 3}, where="study")


def test_a_file_stands_below_both(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("source: mnist-fashion\ntraining: {lr: 0.5, epochs: 9, max_grad_norm: 1}\n")
    assert merged(str(path), {"training": {"epochs": 2}}, ["training={lr: 0.1}"])["training"] == {
        "lr": 0.1,
        "epochs": 2,
        "max_grad_norm": 1,
    }


@pytest.mark.parametrize(
    ("given", "assignments", "place"),
    [
        ({}, ["training=5"], "training"),
        ({"training": {"epochs": 2}}, ["training=[1]"], "training"),
        ({}, ["training=null"], "training"),
        ({}, ["encoder_options=3", "encoder_options.hidden=2"], "encoder_options"),
        ({}, ["source.name=2"], "source"),
        ({}, ["training.lr=1", "training.lr.x=2"], r"training\.lr"),
    ],
)
def test_what_is_no_mapping_takes_no_names(given: dict[str, Any], assignments: list[str], place: str) -> None:
    with pytest.raises(ConfigError, match=f"^{place}: a mapping of names to values is needed") as caught:
        merged("mnist-fashion", given, assignments)
    assert "\n" not in str(caught.value)


def test_a_file_whose_training_is_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("source: mnist-fashion\ntraining: 5\n")
    with pytest.raises(ConfigError, match="training: a mapping of names to values is needed"):
        merged(str(path), {"training": {"epochs": 2}}, [])


def commands() -> list[tuple[str, type[NetworkConfig]]]:
    return [("study", StudyConfig), ("train", TrainConfig), ("relate", RelateConfig), ("curve", CurveConfig)]


@pytest.mark.parametrize(("name", "config"), commands())
def test_every_choice_is_an_option_or_says_that_it_is_none(name: str, config: type[NetworkConfig]) -> None:
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    for _, field in offered_fields(config):
        assert field.flag.option(field.name) in options
        assert field.flag.panel, field.name
        assert field.description.endswith("."), field.name
    assert len(options) == len([*offered_fields(config)]) + len(
        {"source", "--out", "-o", "--overwrite", "--resume", "--set", "--import-path", "--allow-imports", "--quiet", "-q"}
    ), "no option twice"


@pytest.mark.parametrize("model", [StudyConfig, TrainConfig, RelateConfig, CurveConfig, TrainingOptions, TableOptions])
def test_every_field_is_described_once_and_everywhere(model: type) -> None:
    for field in fields_of(model):
        assert field.description, field.name
        assert f"    {field.name}: {field.description}" in (model.__doc__ or "")


EXAMPLES = {
    f"{config.__name__} {field.flag.option(field.name)}": (name, field)
    for name, config in commands()
    for _, field in offered_fields(config)
    if field.flag.example
}


@pytest.mark.sampled(2, drawn=True)
@pytest.mark.parametrize("case", EXAMPLES)
def test_the_example_of_an_option_is_understood(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, field = EXAMPLES[case]
    found: list[dict[str, Any]] = []
    monkeypatch.setattr("polytask.cli.generate_command.merged", lambda source, given, assign, imports: found.append({**given}) or {})
    words = shlex.split(f"{name} sales.csv {field.flag.option(field.name)} {field.flag.example}")
    configs = dict(commands())
    run = generated_command(configs[name], lambda config, output: None, "runs")
    alone = typer.Typer()
    alone.command(name)(run)
    alone(spread(words[1:], SEVERAL), standalone_mode=False)
    assert any(field.name in section for section in found[0].values())


def test_a_default_arm_that_tunes_is_left_out_where_nothing_is_tuned() -> None:
    arms = preset_study_options("standard", [], tables=True, trials=1)["arms"]
    assert "weights=tuned" not in arms
    assert "weights=tuned" in preset_study_options("standard", [], tables=True)["arms"]


def test_looks_say_how_many_seeds_there_are() -> None:
    assert StudyConfig(looks=(5, 8)).seeds == tuple(range(8))
    with pytest.raises(ConfigError, match="the last look must use all 6 seeds"):
        checked(StudyConfig, {"looks": [5, 8], "seeds": 6}, where="study")


def test_minutes_decide_the_looks() -> None:
    with pytest.raises(ConfigError, match="give minutes or looks, not both") as caught:
        checked(StudyConfig, {"minutes": 1, "looks": [5, 8]}, where="study")
    assert "\n" not in str(caught.value)
    stored = {**StudyConfig(minutes=1).model_dump(mode="json"), "seeds": 8, "looks": [5, 8], "version": "0.1.0"}
    assert checked(StudyConfig, stored, where="run.yaml").looks == (5, 8)
