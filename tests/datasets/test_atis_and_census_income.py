"""ATIS and Census-Income, from files of a few rows in the publishers' form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from polytask.data import WordTokenizer, train_validation_split
from polytask.datasets import atis, census_income, load_dataset
from polytask.datasets.base import Dataset
from polytask.datasets.remote_files import RemoteFile
from polytask.errors import ConfigError, DataError

SENTENCES = {
    "train": (
        "flights to boston\nfares to new york\n",
        "O O B-toloc.city_name\nO O B-toloc.city_name I-toloc.city_name\n",
        "atis_flight\natis_airfare\n",
    ),
    "dev": ("to boston\n", "O B-toloc.city_name\n", "atis_flight\n"),
    "test": ("denver please\n", "B-toloc.city_name O\n", "atis_flight\n"),
}  # fmt: skip
PERSON = (
    "73, Not in universe, 0, 0, High school graduate, 0, Not in universe, {married}, Not in universe or children, Not in universe, White, "
    "All other, Female, Not in universe, Not in universe, Not in labor force, {gains}, 0, 0, Nonfiler, Not in universe, Not in universe, "
    "Householder, Householder, 1700.09, ?, ?, ?, Not in universe under 1 year old, ?, 0, Not in universe, {country}, United-States, "
    "United-States, Native, 0, Not in universe, 2, 0, 95, {income}\n"
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files of both data sets, which are found without asking for their checksums."""

    def found(wanted: Sequence[RemoteFile], *_: object) -> dict[RemoteFile, Path]:
        return {file: tmp_path / file.name for file in wanted}

    for part, contents in SENTENCES.items():
        for kind, content in zip(("seq.in", "seq.out", "label"), contents, strict=True):
            (tmp_path / f"{part}.{kind}").write_text(content)
    rich = PERSON.format(married="Never married", gains=99999, country="?", income="50000+.")
    poor = PERSON.format(married="Widowed", gains=0, country="Italy", income="- 50000.")
    (tmp_path / "census-income-train.csv").write_text(rich + poor)
    (tmp_path / "census-income-test.csv").write_text(PERSON.format(married="Divorced", gains=1, country="Peru", income="- 50000."))
    caches = (atis._default_tokenizer, census_income._preprocessor)
    for module, cache in zip((atis, census_income), caches, strict=True):
        monkeypatch.setattr(module, "fetch_dataset_files", found)
        cache.cache_clear()
    monkeypatch.setattr(Dataset, "fetch", lambda *_: None)
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


def test_sentences_have_an_intent_and_a_slot_per_word(files: Path) -> None:
    del files
    (source,), tasks = load_dataset("atis")
    assert source.inputs.shape == (3, 4)
    assert source.labels["intent"].tolist() == ["atis_flight", "atis_airfare", "atis_flight"]
    assert source.labels["slots"][1].tolist() == ["O", "O", "B-toloc.city_name", "I-toloc.city_name"]
    assert source.labels["slots"][2].tolist() == ["O", "B-toloc.city_name", None, None]
    assert [task.encode(source.labels[task.name]).labeled.sum() for task in tasks] == [3, 9]


def test_models_are_chosen_on_the_development_set(files: Path) -> None:
    del files
    training, held_out = train_validation_split(load_dataset("atis")[0][0], fraction=0.5, seed=0)
    assert (len(training), held_out.units.tolist()) == (2, [2])


def test_words_of_the_test_set_are_unknown(files: Path) -> None:
    del files
    sources, _ = load_dataset("atis")
    assert sources.open_test is not None
    assert sources.open_test()[0].inputs.tolist() == [[1, 1]]


def test_sentences_take_another_coding(files: Path) -> None:
    del files
    words = WordTokenizer.fit(["boston"])
    (source,) = atis.Atis(preprocessor=words).training()
    assert source.preprocessor is words
    assert source.inputs.tolist() == words.encode(["flights to boston", "fares to new york", "to boston"]).tolist()


def test_a_sentence_without_its_tags_is_named(files: Path) -> None:
    (files / "dev.seq.out").write_text("O\n")
    with pytest.raises(DataError, match=r"sentence 2.*1 for 2 words"):
        load_dataset("atis")


def test_rows_of_the_census_leave_both_answers_out(files: Path) -> None:
    del files
    sources, tasks = load_dataset("census-income")
    (source,) = sources
    assert source.preprocessor is not None
    columns = source.preprocessor.names  # type: ignore[attr-defined]
    assert len(columns) == 39
    assert not {"income", "marital-status", "weight"} & set(columns)
    assert source.labels["income"].tolist() == ["above 50,000", "up to 50,000"]
    assert source.labels["married"].tolist() == ["never", "once"]
    assert [task.metric for task in tasks] == ["auc", "auc"]
    gains = source.inputs[:, columns.index("capital-gains")].tolist()  # divided by a power of two
    assert gains == [pytest.approx(99999 / 2**17), 0.0]
    assert source.inputs[:, columns.index("country-of-father")].tolist() == [0.0, 1.0]
    assert sources.open_test is not None
    assert sources.open_test()[0].inputs[0, columns.index("country-of-father")] == 0.0


def test_there_is_no_sample(files: Path) -> None:
    del files
    with pytest.raises(ConfigError, match="unknown size"):
        load_dataset("atis", "sample")
