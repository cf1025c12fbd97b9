"""Tables on the command line: from a file to a model, to predictions, and to one line where something is wrong."""

from __future__ import annotations

import json
import re
from functools import partialmethod
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from polytask.cli import app
from polytask.cli.app import SEVERAL
from polytask.cli.table_source import spread, table_section
from polytask.data.reading import TableFile
from polytask.errors import ConfigError
from polytask.options import StudyConfig, checked

ROWS = 160


def table(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(0)
    age = random.normal(40, 10, rows).round(1)
    frame = pd.DataFrame({"age": age, "town": random.choice(["Oslo", "Rome"], rows), "customer": random.integers(0, 40, rows)})
    frame["churn"] = np.where(age + 5 * random.normal(size=rows) > 40, "yes", "no")
    frame["value"] = (3 * age + random.normal(size=rows)).round(2)
    frame["part"] = random.choice(["train", "validation", "test"], rows)
    for target in ("churn", "value"):
        frame.loc[random.random(rows) < 0.2, target] = None
    return frame


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    table().to_csv(path, index=False)
    return path


FAST = ("--preset", "quick", "--set", "training.epochs=2", "--set", "training.threads=1")


def test_train_predict_evaluate(call: object, sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    arguments = ["train", str(sales), "--targets", "churn", "value", "--drop", "part", "--group", "customer", "--weights", "churn=2"]
    assert call(*arguments, "--out", str(run), *FAST) == 0  # type: ignore[operator]
    assert "churn (binary), value (regression)" in capsys.readouterr().out
    config = yaml.safe_load((run / "run.yaml").read_text())
    assert config["balancer"] == "fixed"
    assert config["tables"]["sales"]["targets"] == {"churn": "binary", "value": "regression"}
    new = tmp_path / "new.csv"
    table().drop(columns=["churn", "value"]).assign(town="Ulm").iloc[:, ::-1].to_csv(new, index=False)
    for out in ("found.csv", "found.parquet"):
        assert call("predict", str(run), str(new), "-o", str(tmp_path / out), "--proba") == 0  # type: ignore[operator]
        assert "column 'town': 160 of 160 rows ('Ulm')" in capsys.readouterr().out
    first, second = pd.read_csv(tmp_path / "found.csv"), pd.read_parquet(tmp_path / "found.parquet")
    assert list(first) == ["churn", "value", "churn=no", "churn=yes"]
    assert np.allclose(first["value"], second["value"], rtol=1e-12)
    assert call("evaluate", str(run), str(sales), "-o", str(tmp_path / "metrics.csv")) == 0  # type: ignore[operator]
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert metrics.query("target == 'churn'")["rows"].unique().tolist() == [int(table()["churn"].notna().sum())]


def test_unknown_categories_are_one_line_over_all_chunks(
    call: object, sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("train", str(sales), "--targets", "churn", "--out", str(tmp_path / "run"), *FAST, "--quiet")
    assert call(*arguments) == 0  # type: ignore[operator]
    towns = ["Ulm"] * 60 + ["Bern"] * 40 + ["Oslo"] * 60
    table().assign(town=towns).to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.setattr(TableFile, "chunks", partialmethod(TableFile.chunks, rows=37))
    capsys.readouterr()
    assert call("predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), "-o", str(tmp_path / "o.csv")) == 0  # type: ignore[operator]
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    assert notes == ["note: categories not seen in training are treated as unknown: column 'town': 100 of 160 rows ('Ulm', 'Bern')"]


@pytest.mark.slow
def test_a_study_repeats_itself_from_its_own_file(call: object, sales: Path, tmp_path: Path) -> None:
    words = ("--targets", "churn,value", "--split", "part", "--drop", "customer", "--arms", "single,equal", "--seeds", "2", "--quiet")
    assert call("study", str(sales), *words, "--workers", "1", "--out", str(tmp_path / "a"), *FAST) == 0  # type: ignore[operator]
    assert call("study", str(tmp_path / "a" / "run.yaml"), "--out", str(tmp_path / "b"), "--quiet") == 0  # type: ignore[operator]
    first, second = (tmp_path / name / "predictions.parquet" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    tested = {int(unit.split("/")[1]) for unit in pd.read_parquet(first)["unit"]}
    assert tested <= {row + 1 for row in np.flatnonzero(table()["part"] == "test")}


@pytest.mark.slow
def test_a_study_file_with_a_table_per_task(call: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table()[["age", "town", "churn"]].to_csv(tmp_path / "left.csv", index=False)
    table()[["age", "town", "value"]].to_parquet(tmp_path / "right.parquet")
    content = {
        "tables": {
            "left": {"file": "left.csv", "targets": ["churn"]},
            "right": {"file": "right.parquet", "targets": {"value": "regression"}},
        },
        "arms": ["single", "equal"],
        "seeds": 2,
        "workers": 1,
        "training": {"epochs": 1, "sampling": "round-robin", "threads": 1},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    assert call("study", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "run"), "--quiet") == 0  # type: ignore[operator]
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["study"] == "left + right"
    new = ("predict", str(tmp_path / "run"), str(tmp_path / "left.csv"), "-o", str(tmp_path / "new.csv"))
    capsys.readouterr()
    assert call(*new) == app.EXIT_USER_ERROR  # type: ignore[operator]
    assert "the run has several tables (found left, right). Name the one that this table is like: --source" in capsys.readouterr().err
    assert call(*new, "--source", "left") == 0  # type: ignore[operator]
    assert set(verdict["tasks"]) == {"churn", "value"}


WRONG_FILES: dict[str, tuple[str, str]] = {
    "no file": ("tables: {s: {fil: sales.csv, targets: [churn]}}", "tables.s.fil: unknown option. Did you mean 'file'"),
    "no targets": ("tables: {s: {file: sales.csv}}", "tables.s.targets: a value is required"),
    "a table without options": ("tables: {s: sales.csv}", "tables.s: a mapping of names to values is needed"),
    "a list of tables": ("tables: [sales.csv]", "tables: a mapping of names to values is needed"),
    "a table twice": ("tables:\n  s: {file: sales.csv, targets: [churn]}\n  s: {file: sales.csv, targets: [value]}", "line 3"),
    "a target twice": ("tables: {s: {file: sales.csv, targets: [churn, churn]}}", "a target is named twice"),
    "a kind that is a number": ("tables: {s: {file: sales.csv, targets: {churn: 3}}}", "targets, 'churn': a task kind is needed (found 3)"),
    "a word for a list": (
        "tables: {s: {file: sales.csv, targets: [churn], drop: part}}",
        "a list is needed (found 'part'). Write it as [part]",
    ),
    "an arm for a list": ("tables: {s: {file: sales.csv, targets: [churn]}}\narms: single", "arms: a list is needed"),
    "an unknown arm": ("tables: {s: {file: sales.csv, targets: [churn, value]}}\narms: [single, eqaul]", "Did you mean 'equal'"),
    "an unknown sampling": ("tables: {s: {file: sales.csv, targets: [churn]}}\ntraining: {sampling: uniforn}", "'uniforn'"),
    "an unknown choice of training": ("tables: {s: {file: sales.csv, targets: [churn]}}\ntraining: {samplng: uniform}", "'sampling'"),
    "an unknown option": (
        "tables: {s: {file: sales.csv, targets: [churn, value]}}\nencoder_options: {hiden: [3]}",
        "Did you mean 'hidden'",
    ),
    "an unknown preset": ("tables: {s: {file: sales.csv, targets: [churn]}}\npreset: quik", "Did you mean 'quick'"),
    "a misspelt table": ("table: {s: {file: sales.csv, targets: [churn]}}", "names no source"),
    "two sources": ("source: mnist-fashion\ntables: {s: {file: sales.csv, targets: [churn]}}", "found both"),
    "one seed": ("tables: {s: {file: sales.csv, targets: [churn]}}\nseeds: 1", "at least 2 different seeds"),
    "no mapping": ("- a", "a study file must be a mapping"),
    "an open bracket": ("tables: {s: {file: sales.csv, targets: [churn]}", "must be plain YAML"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_study_file_that_cannot_be_is_one_line(call: object, sales: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    text, words = WRONG_FILES[case]
    (sales.parent / "study.yaml").write_text(text)
    assert call("study", str(sales.parent / "study.yaml"), "--out", str(sales.parent / "run")) == app.EXIT_USER_ERROR  # type: ignore[operator]
    output = capsys.readouterr().err
    assert words in output
    assert output.count("\n") == 1


@pytest.mark.slow
def test_weights_of_a_study_file_are_used_or_refused(call: object, sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = {"file": str(sales), "targets": ["churn", "value"], "weights": {"churn": 2}, "drop": ["part", "customer"]}
    content = {"tables": {"sales": table}, "preset": "quick", "seeds": 2, "workers": 1, "training": {"epochs": 1, "threads": 1}}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**content, "arms": ["single", "equal"]}))
    assert call("study", str(path), "--out", str(tmp_path / "a")) == app.EXIT_USER_ERROR  # type: ignore[operator]
    assert "no arm uses the tasks' weights" in capsys.readouterr().err
    path.write_text(yaml.safe_dump(content))
    assert call("study", str(path), "--out", str(tmp_path / "b"), "--quiet") == 0  # type: ignore[operator]
    assert yaml.safe_load((tmp_path / "b" / "run.yaml").read_text())["arms"] == ["single", "fixed", "uncertainty", "linear"]


DOCUMENTED = re.findall(r"```yaml\n(.*?)```", (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8"), re.DOTALL)


def schema_of(call: object, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert call("schema", *words) == 0  # type: ignore[operator]
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("text", DOCUMENTED)
def test_study_files_of_the_manual_are_what_the_schema_and_the_reader_take(
    call: object, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    content = yaml.safe_load(text)
    jsonschema.validate(content, schema_of(call, capsys))
    assert checked(StudyConfig, content, where="study").arms


@pytest.mark.parametrize(
    "wrong",
    [{"arm": ["single"]}, {"training": {"epoch": 1}}, {"tables": {"a": {"file": "a.csv", "targets": []}}}, {"seeds": "many"}],
)
def test_the_schema_refuses_what_the_reader_refuses(call: object, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        checked(StudyConfig, wrong, where="study")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema_of(call, capsys))


def test_the_file_of_a_run_is_what_the_schema_takes(call: object, sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("train", str(sales), "--targets", "churn", "value", "--weights", "churn=2", "--out", str(tmp_path / "run"), *FAST)
    assert call(*arguments) == 0  # type: ignore[operator]
    capsys.readouterr()
    jsonschema.validate(yaml.safe_load((tmp_path / "run" / "run.yaml").read_text()), schema_of(call, capsys, "--train"))


def test_the_schema_names_every_choice(call: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema") == 0  # type: ignore[operator]
    schema = json.loads(capsys.readouterr().out)
    assert {"tables", "arms", "seeds", "training"} <= set(schema["properties"])


def test_an_option_of_several_words_ends_at_the_next_option() -> None:
    assert spread(["study", "a.csv", "--targets", "x", "y", "-o", "z", "w"], SEVERAL) == [
        "study", "a.csv", "--targets", "x", "--targets", "y", "-o", "z", "w",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "--targets"),
        (("--targets", "chrun"), "Did you mean 'churn'"),
        (("--targets", "churn", "--kind", "churn=binray"), "Did you mean 'binary'"),
        (("--targets", "churn", "--kind", "value=regression"), "value"),
        (("--targets", "churn", "--kind", "churn"), "--kind"),
        (("--targets", "churn", "--kind", "churn=regression"), "not a number"),
        (("--targets", "value", "--kind", "value=regression(speed=3)"), "speed"),
        (("--targets", "churn", "--weights", "value=2"), "value"),
        (("--targets", "churn", "--weights", "churn=two"), "input should be a valid number"),
        (("--targets", "churn", "--group", "custmer"), "Did you mean 'customer'"),
        (("--targets", "churn", "--time", "when"), "'when'"),
        (("--targets", "churn", "--split", "town"), "unknown name of a part"),
        (("--targets", "churn", "--split", "part", "--group", "customer"), "in one way only"),
        (("--targets", "churn", "--id-column", "name"), "'name'"),
        (("--targets", "churn", "--preset", "fast"), "unknown preset"),
        (("--targets", "churn", "--categorical", "twon"), "twon"),
        (("--targets", "churn", "--delimiter", ";"), "sales.csv"),
        (("--targets", "churn", "churn"), "--targets: a name must be given once"),
        (("--targets", "churn", "--kind", "churn=binary", "--kind", "churn=multiclass"), "--kind: a name must be given once"),
        (("--targets", "churn", "--weights", "churn=1", "--weights", "churn=2"), "--weights: a name must be given once"),
        (("--targets", "churn", "--drop", "churn"), "a target cannot have another role"),
        (("--targets", "churn", "--kind", "chrun=binary"), "Did you mean 'churn'"),
        (("--targets", "churn", "--weights", "churn=0"), "at least one task needs a weight above 0"),
        (("--targets", "churn", "value", "--weights", "churn=2", "--balancer", "uncertainty"), "does not use the tasks' weights"),
        (("--targets", "--preset", "quick"), "--targets: this option needs at least one value"),
        (("--targets", "-churn"), "a value that begins with a dash is written --targets=-churn"),
        (("--targets=-chrun",), "'-chrun': there is no such column"),
        (("--targets", "churn", "--threads", "100000"), "threads: input should be less than or equal to 256 (found 100000)"),
        (("--targets", "churn", "value", "--balancer", "weights=0/0"), "at least one task needs a weight above 0"),
        (("--targets", "churn", "--set", "training.epoch=3"), "Did you mean 'epochs'"),
        (("--targets", "churn", "--set", "epochs=3"), "Write it under training: training.epochs"),
        (("--targets", "churn", "--set", "presset=quick"), "Did you mean 'preset'"),
        (("--targets", "churn", "--set", "tables.sales.grup=town"), "Did you mean 'group'"),
        (("--targets", "churn", "--set", "tables.sales.test_fraction=2"), "test_fraction: must be at least 0 and below 1 (found 2.0)"),
        (("--targets", "churn", "--encoding", "utf-9"), "utf-9"),
    ],
)
def test_what_cannot_be_is_one_line(
    call: object, sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    assert call("train", str(sales), *words, "--out", str(tmp_path / "run")) == app.EXIT_USER_ERROR  # type: ignore[operator]
    output = capsys.readouterr().err
    assert text in output
    assert output.count("\n") == 1
    assert not (tmp_path / "run" / "model").exists()


def test_what_a_finished_run_refuses(call: object, sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = tmp_path / "run", tmp_path / "other.csv"
    assert call("train", str(sales), "--targets", "churn", "--out", str(run), *FAST, "--quiet") == 0  # type: ignore[operator]
    table().drop(columns="age").to_csv(other, index=False)
    strange = tmp_path / "strange.csv"
    table().assign(churn="perhaps").to_csv(strange, index=False)
    capsys.readouterr()
    for words, text in (
        (("predict", str(run), str(other), "-o", str(tmp_path / "o.csv")), "column 'age'"),
        (("predict", str(run), str(sales), "-o", str(sales)), "exists already"),
        (("predict", str(run), str(sales), "-o", str(tmp_path / "o.txt")), ".csv or .parquet"),
        (("predict", str(tmp_path), str(sales), "-o", str(tmp_path / "o.csv")), "no model"),
        (("predict", str(run), str(tmp_path / "none.csv"), "-o", str(tmp_path / "o.csv")), "no such file"),
        (("evaluate", str(run), str(strange)), "perhaps"),
        (("evaluate", str(run), str(sales), "-o", str(sales)), "exists already"),
        (("evaluate", str(run), str(sales), "--source", "slaes"), "the run has no such table (found 'slaes'). Did you mean 'sales'"),
        (("train", "mnist-fashion", "--targets", "digit"), "--targets: this option needs a table as the source"),
        (("train", str(run / "run.yaml"), "--targets", "value"), "--targets: this option needs a table as the source (found the file"),
        (("train", "sales.docx", "--targets", "value"), "this file is neither a study file nor a table"),
        (("train", str(sales), "--targets", "churn", "--out", str(run)), "finished run"),
    ):
        assert call(*words) == app.EXIT_USER_ERROR, words  # type: ignore[operator]
        output = capsys.readouterr().err
        assert text in output
        assert output.count("\n") == 1


@pytest.mark.parametrize(("ending", "separator", "options"), [("csv", ",", {}), ("tsv", "\t", {}), ("csv.gz", "\t", {"delimiter": "tab"})])
def test_the_name_of_a_target_may_hold_commas(tmp_path: Path, ending: str, separator: str, options: dict[str, str]) -> None:
    file = tmp_path / f"t.{ending}"
    pd.DataFrame({"height, cm": [1.0], "height": [2.0], " cm": [3.0], "-x": [4.0]}).to_csv(file, sep=separator, index=False)
    for given, found in ((["height, cm"], ["height, cm"]), (["height,-x"], ["height", "-x"]), (["height, cm,-x"], ["height", " cm", "-x"])):
        assert list(table_section(str(file), {"targets": given, **options})["tables"]["t"]["targets"]) == found


def test_a_table_that_cannot_be_read_is_said_later(tmp_path: Path) -> None:
    assert list(table_section(str(tmp_path / "none.csv"), {"targets": ["a,b"]})["tables"]["none"]["targets"]) == ["a", "b"]


def test_a_table_as_spreadsheets_of_europe_write_it_is_the_plain_one(call: object, tmp_path: Path) -> None:
    """Models are the same bits, and one row whose date alone is in doubt is predicted with the format of training."""
    random = np.random.default_rng(0)
    plain = table().drop(columns=["customer", "part"])
    plain["sold"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, len(plain)), unit="D")
    plain["times"] = random.integers(0, 3, len(plain))
    written = plain.assign(
        sold=plain["sold"].dt.strftime("%d/%m/%Y"),
        age=[f"{1000 * age:,.1f}".translate(str.maketrans(",.", ".,")) for age in plain["age"]],
        value=[None if np.isnan(value) else f"{value:.2f}".replace(".", ",") for value in plain["value"]],
    )
    plain["age"] = (1000 * plain["age"]).round(1)
    plain.to_csv(tmp_path / "sales.csv", index=False)
    (tmp_path / "europe").mkdir()
    europe = tmp_path / "europe" / "sales.csv"
    europe.write_text("sep=;\n" + written.to_csv(index=False, sep=";"), encoding="utf-8")
    new = written[["age", "town", "sold"]].head(3).assign(sold=["03/04/2021"] * 3)
    new.to_csv(tmp_path / "new.csv", index=False, sep=";")
    plain[["age", "town"]].head(3).assign(sold=["2021-04-03"] * 3).to_csv(tmp_path / "plain.csv", index=False)
    found = []
    for name, file, rows, options in (
        ("a", tmp_path / "sales.csv", "plain.csv", ()),
        ("b", europe, "new.csv", ("--decimal", ",", "--thousands", ".", "--delimiter", ";")),
    ):
        run = tmp_path / name
        arguments = ["train", str(file), "--targets", "churn", "value", "--row-weights", "times", *options, "--out", str(run), *FAST]
        assert call(*arguments) == 0  # type: ignore[operator]
        assert call("predict", str(run), str(tmp_path / rows), "-o", str(tmp_path / f"{name}.csv")) == 0  # type: ignore[operator]
        found.append((tmp_path / f"{name}.csv").read_text())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("weights", "words"),
    [([1.0, -1.0], ("row 2", "negative")), ([1.0, None], ("row 2", "no weight")), (["a", "b"], ("numbers", "category"))],
)
def test_weights_of_rows_that_are_none(
    call: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: list[object], words: tuple[str, ...]
) -> None:
    frame = table().drop(columns=["customer", "part"]).assign(churn="yes", w=(weights * ROWS)[:ROWS])
    frame.loc[::3, "churn"] = "no"
    frame.to_csv(tmp_path / "sales.csv", index=False)
    assert call("train", str(tmp_path / "sales.csv"), "--targets", "churn", "value", "--row-weights", "w", *FAST) == 2  # type: ignore[operator]
    line = capsys.readouterr().err
    assert all(word in line for word in words), line
