"""A pretrained text encoder from a folder that is made here: nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from polytask import fit
from polytask.architectures import MultiTaskModel, NetworkPlan
from polytask.data import Source, SubwordTokenizer, preprocessor_from_dict
from polytask.encoders import PretrainedTextEncoder
from polytask.errors import ConfigError, StorageError
from polytask.options import make_training_options
from polytask.tasks import Binary, Tagging
from polytask.training.optimization.param_groups import make_param_groups
from polytask.training.trained_network import load_network, save_network

transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "to", "bos", "##ton", "from", "dal", "##las", "fly"]
TEXTS = ["fly to boston", "from dallas to boston fly", "boston"]
TASKS = (Binary(name="long", classes=("no", "yes")), Tagging(name="slots", classes=("O", "B-city")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with its tokenizer."""
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    path = tmp_path_factory.mktemp("bert")
    numbers = {piece: number for number, piece in enumerate(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(WordPiece(numbers, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(path / "tokenizer.json"))
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "vocab_size": len(VOCABULARY)}
    config = transformers.BertConfig(**sizes, max_position_embeddings=32)
    torch.manual_seed(0)
    model = transformers.BertModel(config)
    (path / "config.json").write_text(json.dumps(config.to_dict()))
    save_file({f"bert.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}, path / "model.safetensors")
    return path


def encoder(coded: Path, **options: Any) -> PretrainedTextEncoder:
    return PretrainedTextEncoder((5, 2), **({**SubwordTokenizer.of(coded).input_spec(), "folder": str(coded)} | options))


def test_words_become_their_pieces(folder: Path) -> None:
    assert SubwordTokenizer.of(folder).encode(["fly to Boston", "zzz"]).tolist() == [[[11, 0], [5, 0], [6, 7]], [[2, 0], [0, 0], [0, 0]]]


def test_features_are_those_of_the_library(folder: Path) -> None:
    """Of the piece before the sentence and of each word's first piece, whatever else is in the batch."""
    pieces = SubwordTokenizer.of(folder)
    found = encoder(folder).eval()(torch.from_numpy(pieces.encode(TEXTS)))
    model = transformers.BertModel(transformers.BertConfig(**json.loads((folder / "config.json").read_text())))
    model.load_state_dict({name.removeprefix("bert."): tensor for name, tensor in load_file(folder / "model.safetensors").items()})
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for row, text in enumerate(TEXTS):
        encoded = tokenizer.encode(text)
        with torch.no_grad():
            expected = model.eval()(torch.tensor([encoded.ids])).last_hidden_state[0]
        first = [encoded.word_ids.index(word) for word in range(len(text.split()))]
        assert torch.allclose(found[row, 0], expected[0], atol=1e-5)
        assert torch.allclose(found[row, 1 : 1 + len(first)], expected[first], atol=1e-5)
        assert not found[row, 1 + len(first) :].any()


@pytest.mark.parametrize("architecture", ["hard", "mmoe(experts=2)", "lora", "adapters", "separate", "ple"])
def test_ways_of_sharing_take_it_as_it_is(folder: Path, architecture: str) -> None:
    own = encoder(folder)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    model = MultiTaskModel(own, TASKS, architecture=architecture, hidden=(), initialization="framework")
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    outputs = model(torch.from_numpy(SubwordTokenizer.of(folder).encode(TEXTS)))
    assert {task: tuple(y.shape) for task, y in outputs.items()} == {"long": (3, 1), "slots": (3, 5, 2)}


def test_it_learns_and_is_loaded_without_its_folder(folder: Path, tmp_path: Path) -> None:
    pieces = SubwordTokenizer.of(folder)
    texts = TEXTS * 10
    tags = np.full((30, 5), None, dtype=object)
    for row, text in enumerate(texts):
        tags[row, : len(text.split())] = ["B-city" if word in ("boston", "dallas") else "O" for word in text.split()]
    long = np.array(["yes" if len(text.split()) > 3 else "no" for text in texts])
    source = Source("notes", pieces.encode(texts), {"long": long, "slots": tags}, preprocessor=pieces)
    plan = NetworkPlan("pretrained", (5, 2), {"folder": str(folder)}, hidden=(), facts=pieces.input_spec())
    run = fit(plan.build(TASKS, 0), [source], epochs=12, batch_size=6, lr=0.01, threads=1)
    assert run.validation["slots"]["entity-f1"] == 1.0
    save_network(tmp_path / "network", plan, run, {})
    assert "folder" not in plan.without_initialization().encoder_options
    loaded = load_network(tmp_path / "network")
    assert loaded.codings["notes"] == preprocessor_from_dict(pieces.to_dict()) == pieces
    outputs = loaded.outputs_for("notes", ["boston to dallas"])
    assert loaded.tasks[1].predict(outputs["slots"]).values.tolist() == ["B-city O B-city"]


def test_what_is_missing_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"tokenizer\.json"):
        SubwordTokenizer.of(tmp_path)
    with pytest.raises(StorageError, match=r"model\.safetensors"):
        encoder(folder, folder=str(tmp_path))
    save_file({"bert.x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(StorageError, match="no tensor in the file matches"):
        encoder(folder, folder=str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(StorageError, match="weights cannot be read"):
        encoder(folder, folder=str(tmp_path))
    with pytest.raises(ConfigError, match="no known encoder"):
        encoder(folder, config={"model_type": "nothing"})
    with pytest.raises(ConfigError, match="word pieces"):
        PretrainedTextEncoder((5,), **SubwordTokenizer.of(folder).input_spec())


def test_weights_of_another_size_or_only_some_of_them_are_one_line(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    wider = tensors | {"bert.embeddings.word_embeddings.weight": torch.zeros(99, 8)}
    some = {name: tensor for name, tensor in tensors.items() if ".layer.1." not in name}
    for wrong, found in ((wider, r"\[99, 8\]"), (some, r"and 11 more")):
        save_file(wrong, tmp_path / "model.safetensors")
        with pytest.raises(StorageError, match=f"not the encoder's weights.*{found}"):
            encoder(folder, folder=str(tmp_path))


@pytest.mark.parametrize("beginning", ["", "bert.", "module.bert.", "0.auto_model."])
def test_the_name_of_a_larger_model_is_left_out(folder: Path, tmp_path: Path, beginning: str) -> None:
    tensors = {name.removeprefix("bert."): tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    head = {"classifier.weight": torch.zeros(2, 8)}
    save_file({f"{beginning}{name}": tensor for name, tensor in tensors.items()} | head, tmp_path / "model.safetensors")
    ours, theirs = encoder(folder), encoder(folder, folder=str(tmp_path))
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


def test_rates_decay_block_by_block(folder: Path) -> None:
    model = MultiTaskModel(encoder(folder), TASKS, hidden=(), initialization="framework")
    groups = make_param_groups(model, make_training_options(lr=1.0, layer_decay=0.5))
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    found = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    for part, expected in {"word_embeddings": 0.25, "position_embeddings": 0.25, "layer.0.": 0.5, "layer.1.": 1.0, "heads": 1.0}.items():
        own = {rate for name, rate in found.items() if part in name or (part == "word_embeddings" and "table" in name)}
        assert own == {expected}, part
