"""Columns of texts, from files and frames to models, baselines and predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import polytask as pt
from polytask import MultiTaskEstimator
from polytask.artifacts.table_model import SavedTableModel
from polytask.baselines import BoostedTrees, LinearModels, TaskRows
from polytask.cli import main
from polytask.data.memmap import is_memmap
from polytask.data.preprocessing.columns import TextColumn
from polytask.datasets.tables import labeled_table, load_tables, source_from_table
from polytask.errors import ConfigError
from polytask.options import TableOptions
from polytask.tasks import Binary

ROWS = 240
GOOD, BAD = ("wonderful", "lovely", "perfect"), ("awful", "broken", "terrible")


def reviews(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Reviews that all differ: the label is the mood of one word, and the price the place of another; some reviews are missing."""
    random = np.random.default_rng(seed)
    mood, place = random.integers(2, size=rows), random.integers(3, size=rows)
    words = [str(random.choice(GOOD if one else BAD)) for one in mood]
    things = np.array(["phone", "kettle", "bicycle"])[place]
    texts = [
        f"Order {row}: what a {word} {thing}, said customer {row * 7}" for row, word, thing in zip(range(rows), words, things, strict=True)
    ]
    frame = pd.DataFrame({"review": texts, "age": random.normal(size=rows).round(2), "liked": np.where(mood, "yes", "no")})
    frame["price"] = (10.0 * place + random.normal(size=rows)).round(2)
    frame.loc[random.random(rows) < 0.05, "review"] = None
    return frame


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(frame: pd.DataFrame, name: str) -> str:
        path = tmp_path / name
        _ = frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
        return str(path)

    return write


TARGETS: dict[str, str | None] = {"liked": None, "price": None}


def test_files_and_frames_have_the_same_inputs(written: Callable[..., str]) -> None:
    frame = reviews()
    sources = [
        load_tables({"t": TableOptions(written(frame, name), TARGETS)}, test_fraction=0).sources[0] for name in ("t.csv", "t.parquet")
    ]
    sources.append(source_from_table(frame, TARGETS)[0])
    for source in sources:
        assert source.preprocessor == sources[0].preprocessor
        assert source.inputs.tobytes() == sources[0].inputs.tobytes()
        assert source.inputs.shape == (ROWS, 1_025)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_declared_text_is_read_as_it_is_written(written: Callable[..., str], name: str) -> None:
    frame = reviews().assign(zip=[f"{row % 50:03d}" for row in range(ROWS)])
    path = written(frame, name)
    loaded = load_tables({"t": TableOptions(path, TARGETS, text=("zip", "age"))}, test_fraction=0)
    columns = {column.name: column for column in loaded.sources[0].preprocessor.columns}  # type: ignore[union-attr]
    assert [columns[name].kind for name in ("review", "age", "zip")] == ["text"] * 3
    assert columns["zip"] == TextColumn("zip")
    assert not any("identifier" in note for note in loaded.notes)
    expected = TextColumn("zip").encode(frame["zip"])
    assert np.array_equal(loaded.sources[0].inputs[:, -256:], expected)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"text": ("review",), "categorical": ("review",)}, r"text: a column is read either as categories or as texts.*review"),
    "no column": ({"text": ("reviews",)}, r"text='reviews'.*no such column.*Did you mean 'review'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_declaration_is_one_line(written: Callable[..., str], case: str) -> None:
    options, message = WRONG[case]
    with pytest.raises(ConfigError, match=message) as caught:
        load_tables({"t": TableOptions(written(reviews(), "t.csv"), TARGETS, **options)})
    assert "\n" not in str(caught.value)


def test_many_encoded_cells_are_on_disk_and_the_same(written: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"t": TableOptions(written(reviews(), "t.csv"), TARGETS)}
    plain = load_tables(options, test_fraction=0).sources[0]
    monkeypatch.setattr(labeled_table, "MAX_CELLS_IN_MEMORY", 100_000)
    monkeypatch.setattr(labeled_table, "ROWS_ENCODED_AT_ONCE", 7)
    found = load_tables(options, test_fraction=0).sources[0]
    assert (is_memmap(found.inputs), is_memmap(plain.inputs)) == (True, False)
    assert found.inputs.tobytes() == plain.inputs.tobytes()


def test_a_column_that_only_test_rows_fill_is_empty(written: Callable[..., str]) -> None:
    frame = reviews().assign(part=["train"] * 160 + ["validation"] * 40 + ["test"] * 40)
    frame["late"] = [None] * 200 + reviews(40, seed=1)["review"].fillna("none").tolist()
    frame["day"] = [None] * 200 + ["2024-01-31"] * 40
    loaded = load_tables({"t": TableOptions(written(frame, "t.csv"), TARGETS, split="part")})
    assert loaded.sources.open_test is not None
    test = loaded.sources.open_test()[0]
    assert len(test) == 40
    assert np.isnan(test.inputs[:, -2:]).all()  # the columns are as empty as in training
    assert [column.kind for column in test.preprocessor.columns] == ["text", "number", "number", "number"]  # type: ignore[union-attr]


@pytest.mark.parametrize("baseline", [LinearModels(), BoostedTrees(max_iterations=20)])
def test_baselines_read_texts(baseline: Any) -> None:
    frame = reviews().assign(nothing=None)
    source, _ = source_from_table(frame, TARGETS)
    cardinalities = np.array(source.preprocessor.input_spec()["cardinalities"])  # type: ignore[union-attr]
    rows = TaskRows(source.inputs, (frame["liked"] == "yes").to_numpy().astype(np.int64), cardinalities=cardinalities)
    parts = [TaskRows(rows.inputs[own], rows.targets[own], cardinalities=cardinalities) for own in (slice(0, 120), slice(120, 160))]
    baseline.fit(Binary(name="liked", classes=("no", "yes")), *parts, seed=0)
    assert (baseline.predict(rows.inputs[160:]).values == rows.targets[160:]).mean() > 0.9


def test_an_estimator_reads_texts() -> None:
    frame, fresh = reviews(), reviews(100, seed=1).fillna({"review": "nothing"})
    inputs = frame[["review", "age"]]
    estimator = MultiTaskEstimator({"liked": "binary"}, preset="quick", epochs=15, random_state=0, text_features=["age"])
    estimator.fit(inputs, frame[["liked"]])
    assert estimator.network_.codings["table"].input_spec()["cardinalities"] == (-1,) * (1_024 + 256)
    assert (estimator.predict(fresh[["review", "age"]])["liked"] == fresh["liked"]).mean() > 0.85
    for wrong in ({"text_features": ["ages"]}, {"text_features": ["age"], "categorical_features": ["age"]}):
        with pytest.raises(ConfigError, match="text_features"):
            MultiTaskEstimator({"liked": "binary"}, **wrong).fit(inputs, frame[["liked"]])  # type: ignore[arg-type]


def test_init_says_what_is_a_text(written: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(reviews().assign(sku=[f"A-{row:04d}" for row in range(ROWS)]), "t.csv")
    for out, more, kind, remark in (("a.yaml", (), "text", True), ("b.yaml", ("--text", "sku"), "text", False)):
        monkeypatch.setattr("sys.argv", ["polytask", "init", path, "-o", str(tmp_path / out), "--targets", "liked", "price", *more])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        text = (tmp_path / out).read_text()
        said = {line.strip("# -").partition(": ")[0]: line for line in text.splitlines() if line.startswith("    # - ")}
        assert "- review: text, " in said["review"]
        assert "identifier" not in said["review"]
        assert (f"- sku: {kind}, 240 distinct" in said["sku"], "identifier" in said["sku"]) == (True, remark)
        assert yaml.safe_load(text)["tables"]["t"].get("text") == (list(more[1:]) or None)


@pytest.mark.slow
def test_a_saved_model_reads_new_texts(written: Callable[..., str], tmp_path: Path) -> None:
    """From files and frames alike; a new file whose texts look like numbers, or that has none, is read too."""
    run = pt.train(written(reviews(600), "t.csv"), targets=TARGETS, out=tmp_path / "run", preset="quick")
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib", ".pt")]
    model = pt.load(run.folder)
    fresh = reviews(200, seed=1)
    found = model.predict(fresh[["age", "review"]])
    there = fresh["review"].notna()
    assert (found["liked"] == fresh["liked"])[there].mean() > 0.9
    assert np.corrcoef(found["price"][there], fresh["price"][there])[0, 1] > 0.9
    for name, frame in {
        "new.csv": fresh,
        "new.parquet": fresh,
        "numbers.csv": fresh.assign(review=range(200)),
        "none.csv": fresh.assign(review=None),
    }.items():
        out = tmp_path / f"{name}.out.csv"
        SavedTableModel(run.folder).predict(Path(written(frame, name)), out)
        if name.startswith("new"):
            assert pd.read_csv(out)["liked"].tolist() == found["liked"].tolist()


@pytest.mark.slow
def test_a_study_compares_on_texts(tmp_path: Path) -> None:
    options = {"training": {"epochs": 2, "threads": 1}, "encoder_options": {"hidden": [8]}, "workers": 1}
    arms = ["single", "equal", "linear"]
    found = pt.study(reviews(), targets=list(TARGETS), text=["age"], out=tmp_path / "run", arms=arms, seeds=2, preset="quick", **options)
    assert found.verdict is not None
    config = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert next(iter(config["tables"].values()))["text"] == ["age"]
