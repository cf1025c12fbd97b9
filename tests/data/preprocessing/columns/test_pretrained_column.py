"""Columns of texts that a pretrained encoder reads, from a folder that is made here: nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import polytask as pt
from polytask.data import TablePreprocessor
from polytask.data.preprocessing.columns import PretrainedTextColumn, TextColumn, text_vectors
from polytask.data.preprocessing.columns.text_vectors import FILES, TextVectors
from polytask.errors import ConfigError, PolytaskError, StorageError

transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
WORDS = ["red", "blue", "small", "large", "old", "chair", "table", "lamp", "with", "legs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights and its tokenizer, as the library saves them."""
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    path = tmp_path_factory.mktemp("bert")
    numbers = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = tokenizers.Tokenizer(WordLevel(numbers, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(path / "tokenizer.json"))
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "vocab_size": len(numbers)}
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(**sizes, max_position_embeddings=32)).save_pretrained(path)
    return path


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder that a test may spoil."""
    return Path(shutil.copytree(folder, tmp_path / "encoder"))


def reviews(rows: int) -> pd.DataFrame:
    """Rows with a text that decides both targets."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=random.integers(4, 9))) for _ in range(rows)]
    counts = np.array([text.count("red") - text.count("blue") for text in texts])
    return pd.DataFrame(
        {"size": random.normal(size=rows), "review": texts, "price": counts + 0.5, "liked": np.where(counts > 0, "yes", "no")}
    )


def test_a_text_is_the_mean_of_its_pieces_as_the_library_computes_them(folder: Path) -> None:
    column = PretrainedTextColumn.of("review", gaps=True, folder=folder)
    found = column.encode(pd.Series(["old red chair", None, "lamp", "old red chair", "unknown words here"]))
    model = transformers.AutoModel.from_pretrained(folder).eval()
    pieces = torch.tensor([[2, 8, 4, 9, 3]])
    with torch.no_grad():
        mean = model(input_ids=pieces).last_hidden_state[0].mean(dim=0).numpy()
    np.testing.assert_allclose(found[0], mean * np.sqrt(8) / np.linalg.norm(mean), rtol=1e-4, atol=1e-5)
    assert found.shape == (5, 8) and found.dtype == np.float32 and not found[1].any() and np.array_equal(found[0], found[3])
    assert column.cardinalities == (-1,) * 8


def test_a_text_is_read_once_and_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text_vectors.text_vectors.cache_clear()
    column, read = PretrainedTextColumn.of("review", gaps=False, folder=folder), []
    computed = TextVectors._computed
    monkeypatch.setattr(TextVectors, "_computed", lambda self, text: [read.append(text), computed(self, text)][1])
    together = column.encode(pd.Series(["old lamp", "a", "old lamp", "blue table with legs"]))
    again = column.encode(pd.Series(["blue table with legs", "old lamp"]))
    assert read == ["old lamp", "a", "blue table with legs"]
    assert np.array_equal(again, together[[3, 0]])
    text_vectors.text_vectors.cache_clear()
    assert np.array_equal(column.encode(pd.Series(["blue table with legs"])), together[3:])


def test_long_texts_are_cut_off(folder: Path) -> None:
    column = PretrainedTextColumn.of("review", gaps=False, folder=folder)
    long, longer = column.encode(pd.Series(["red " * 100, "red " * 1_000]))
    assert np.array_equal(long, longer) and np.isfinite(long).all()


def test_only_columns_of_texts_are_read_by_it(folder: Path) -> None:
    frame = pd.DataFrame({"code": [f"A-{number}" for number in range(60)], "review": [f"red chair with {n} legs" for n in range(60)]})
    coding = TablePreprocessor.learn([frame], text_encoder=str(folder))
    assert [type(column) for column in coding.columns] == [TextColumn, PretrainedTextColumn]
    assert TablePreprocessor.from_dict({"columns": coding.to_dict()["columns"]}) == coding
    declared = TablePreprocessor.learn([frame], text=["code"], text_encoder=str(folder))
    assert [type(column) for column in declared.columns] == [PretrainedTextColumn] * 2
    with pytest.raises(ConfigError, match="text_encoder: there is no column of texts for this encoder"):
        TablePreprocessor.learn([frame[["code"]]], text_encoder=str(folder))


def test_a_study_stores_where_the_encoder_is_and_its_digest(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    frame, few = reviews(150), {"seeds": 2, "workers": 1, "epochs": 2, "threads": 1, "arms": ["single", "equal"]}
    monkeypatch.chdir(tmp_path)
    result = pt.study(frame, targets=["price", "liked"], text_encoder="encoder", out=tmp_path / "run", **few)
    texts = (tmp_path / "run" / "model" / "model.json").read_text() + "".join(
        path.read_text() for path in (tmp_path / "run" / "model").rglob("*.json")
    )
    listing = "".join(f"{hashlib.sha256((own_folder / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES)
    assert hashlib.sha256(listing.encode()).hexdigest() in texts and str(own_folder) in texts
    again = ["study", tmp_path / "run" / "run.yaml", "-q", "--out", tmp_path / "again"]
    assert call(*again) == 0
    whole, repeated = ((tmp_path / run / "predictions.parquet").read_bytes() for run in ("run", "again"))
    assert whole == repeated
    frame.to_csv("reviews.csv", index=False)
    assert call("predict", result.folder, "reviews.csv", "--out", "out.csv") == 0
    frame.head(3).to_csv("few.csv", index=False)
    assert call("predict", result.folder, "few.csv", "--out", "few-out.csv") == 0
    alone, together = pd.read_csv("few-out.csv"), pd.read_csv("out.csv").head(3)
    np.testing.assert_allclose(alone["price"], together["price"], rtol=1e-4)
    (own_folder / "tokenizer.json").write_text((own_folder / "tokenizer.json").read_text() + "\n")
    text_vectors.text_vectors.cache_clear()
    capsys.readouterr()
    assert call("predict", result.folder, "few.csv", "--out", "other.csv") == 2
    assert "encoder: this is not the text encoder of training (found SHA-256" in " ".join(capsys.readouterr().err.split())


def changed_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no weights", lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: this file of a text encoder is missing"),
    ("no folder", shutil.rmtree, "config.json: this file of a text encoder is missing. Give a folder with config.json, tokenizer.json"),
    ("other width", lambda folder: changed_config(folder, hidden_size=16), "model.safetensors: these are not the text encoder's weights"),
    ("more layers", lambda folder: changed_config(folder, num_hidden_layers=3), "weights (found nothing for encoder.layer.2."),
    (
        "unknown",
        lambda folder: changed_config(folder, model_type="mine"),
        "config.json: the configuration belongs to no known text encoder",
    ),
    ("no type", lambda folder: (folder / "config.json").write_text("{}"), "config.json: the configuration belongs to no known"),
    ("no JSON", lambda folder: (folder / "config.json").write_text("x"), "config.json: the configuration belongs to no known"),
    ("images", lambda folder: changed_config(folder, model_type="convnext"), "these are not the text encoder's weights"),
    ("no tokenizer", lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json: this is no tokenizer"),
    ("damaged", lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "these are not the text encoder's weights"),
]


@pytest.mark.parametrize(("spoil", "text"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_folder_that_is_no_encoder_is_refused_in_one_line(own_folder: Path, spoil: Callable[[Path], object], text: str) -> None:
    spoil(own_folder)
    with pytest.raises(PolytaskError, match=re.escape(text)) as caught:
        PretrainedTextColumn.of("review", gaps=False, folder=own_folder)
    assert "\n" not in str(caught.value)


def test_code_that_a_folder_names_is_not_run(own_folder: Path) -> None:
    changed_config(own_folder, auto_map={"AutoModel": "modeling.Evil", "AutoConfig": "modeling.EvilConfig"})
    (own_folder / "modeling.py").write_text("raise SystemExit('code of the folder was run')")
    assert PretrainedTextColumn.of("review", gaps=False, folder=own_folder).size == 8


def test_a_model_whose_encoder_is_gone_predicts_nothing_that_it_would_need(own_folder: Path) -> None:
    column = PretrainedTextColumn.of("review", gaps=True, folder=own_folder)
    shutil.rmtree(own_folder)
    text_vectors.text_vectors.cache_clear()
    assert not column.encode(pd.Series([None, None], dtype=object)).any()
    with pytest.raises(StorageError, match="this file of a text encoder is missing"):
        column.encode(pd.Series(["a text"]))
