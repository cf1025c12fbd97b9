"""`polytask methods`: all components as a table, one as a page, everything as JSON."""

from __future__ import annotations

import json
import sys

import pytest

from polytask.cli import app, main
from polytask.registry import GROUPS, all_specs, names


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["polytask", "methods", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    output = capsys.readouterr()
    assert end.value.code in (0, None), output.err
    return output.out


def test_tables_fit_eighty_columns_and_cut_no_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(monkeypatch, capsys).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.strip() for line in lines if line.strip() in GROUPS] == list(GROUPS)
    assert {spec.name for spec in all_specs()} <= {line.split()[0] for line in lines if line.strip()}


def test_a_group_is_listed_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(monkeypatch, capsys, "balancer-wrapper")
    assert all(f"\n {name} " in text for name in names("balancer wrapper"))
    assert "cagrad" not in text


def test_one_component_has_formula_options_failure_and_paper(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(monkeypatch, capsys, "cagrad").splitlines()
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    assert lines[0] == "cagrad (balancer)"
    for part in (
        "max over d of min_t g_t · d",
        "needs: the Gramian",
        "paper: Liu et al.",
        "Fails: for c < 1",
        "cagrad(c=0.4)",
    ):
        assert part in text
    assert [line.split()[:2] for line in lines if line.startswith(("c  ", "rescale"))] == [["c", "0.4"], ["rescale", "1"]]


def test_inherited_options_are_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(monkeypatch, capsys, "binary")
    assert "Name of the metric that verdicts and scores" in text
    assert "\nname " not in text  # the name of the target is given by the table


@pytest.mark.parametrize(("name", "near"), [("cagard", "cagrad"), ("encodr", "encoder"), ("trres", "trees")])
def test_an_unknown_name_is_one_line_with_the_nearest(
    name: str, near: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["polytask", "methods", name])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == app.EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert f"Did you mean '{near}'?" in output
    assert output.count("\n") == 1


def test_json_holds_every_component_with_documented_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    records = json.loads(shown(monkeypatch, capsys, "--json"))
    assert [(record["group"], record["name"]) for record in records] == [(spec.group, spec.name) for spec in all_specs()]
    bare = {(record["name"], option["name"]) for record in records for option in record["options"] if not option["text"]}
    assert {name for name, _ in bare} <= set(names("data set"))
    assert all(record["fails"] for record in records if record["group"] == "balancer" and record["name"] != "torchjd")
    assert json.loads(shown(monkeypatch, capsys, "--json", "cagrad"))[0] == next(one for one in records if one["name"] == "cagrad")
