"""Vectors of texts from a pretrained encoder in a local folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polytask.errors import ConfigError, StorageError, first_line

FILES = ("config.json", "tokenizer.json", "model.safetensors")
"""Files of a folder that are read. None of them holds code."""
REMEDY = f"Give a folder with {', '.join(FILES)} of one Hugging Face text encoder"
MOST_PIECES = 256
"""Number of word pieces of a text that are read, special ones included."""
MOST_KEPT = 100_000
"""Number of texts whose vectors are kept in memory."""


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 digest of a text encoder: of what `sha256sum config.json tokenizer.json model.safetensors` prints in its folder.

    Raises:
        StorageError: A file is missing or cannot be read.
    """
    lines = []
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise StorageError("this file of a text encoder is missing", where=str(path), remedy=REMEDY)
        try:
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
        except OSError as error:
            raise StorageError("this file of a text encoder cannot be read", where=str(path), found=error.strerror) from None
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@lru_cache(maxsize=2)
def text_vectors(folder: str, digest: str) -> TextVectors:
    """Return the encoder of a folder, whose vectors are kept as long as no two other encoders are used.

    Raises:
        StorageError: The folder holds another encoder than the one with this digest, or none.
        ConfigError: The extra `text` is not installed.
    """
    found = folder_digest(Path(folder))
    if found != digest:
        remedy = "Put the folder back as it was in training, or train again"
        raise StorageError("this is not the text encoder of training", where=folder, found=f"SHA-256 {found}, not {digest}", remedy=remedy)
    return TextVectors(Path(folder))


class TextVectors:
    """Pretrained encoder that turns a text into one vector, the mean of the features of its word pieces.

        x = √W · v / ‖v‖,   v = (1 / L) Σₗ hₗ

    where h₁ … h_L, of width W, are the last features of the pieces of the text, special ones included. A text is read by itself and with
    one thread, so that its vector depends neither on the texts beside it nor on the number of processors. It is computed once and kept.

    Args:
        folder: Folder with `config.json`, `tokenizer.json` and `model.safetensors`.

    Attributes:
        width: Number W of features.

    Raises:
        StorageError: A file is missing or damaged, or the weights belong to another encoder.
        ConfigError: The extra `text` is not installed, or no encoder of the library has this configuration.
    """

    def __init__(self, folder: Path) -> None:
        self._network = _network(folder)
        self.width = int(self._network.config.hidden_size)
        longest = int(getattr(self._network.config, "max_position_embeddings", MOST_PIECES))
        self._tokenizer = _tokenizer(folder, min(MOST_PIECES, longest - 2))  # some encoders count positions from 2
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the vector (W,) of a text; zeros if it has no piece."""
        if text not in self._vectors:
            if len(self._vectors) >= MOST_KEPT:
                self._vectors.clear()
            self._vectors[text] = self._computed(text)
        return self._vectors[text]

    def _computed(self, text: str) -> NDArray[np.float32]:
        pieces = torch.tensor([self._tokenizer.encode(text).ids])
        if not pieces.numel():
            return np.zeros(self.width, dtype=np.float32)
        with torch.inference_mode(), _one_thread():
            features = self._network(input_ids=pieces, attention_mask=torch.ones_like(pieces)).last_hidden_state
        mean = features[0].double().mean(dim=0)
        vector: NDArray[np.float32] = (mean * (self.width**0.5 / mean.norm().clamp(min=1e-30))).float().numpy()
        return vector


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _network(folder: Path) -> Any:  # noqa: ANN401 - class of an optional library
    """Return the encoder of a folder, with its weights.

    It is built from classes of the library alone: `auto_map`, adapters and the like, which could name code, are not followed.

    Raises:
        StorageError: A file is damaged, or the weights belong to another encoder.
        ConfigError: The library is not installed, or has no encoder of this configuration.
    """
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError:
        what, remedy = "pretrained text encoders need the package transformers", "pip install 'polytask[text]'"
        raise ConfigError(what, where="transformers", remedy=remedy) from None
    where = str(folder / "config.json")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = {name: value for name, value in config.items() if name not in ("auto_map", "quantization_config")}
        network = AutoModel.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            "the configuration belongs to no known text encoder", where=where, found=first_line(error), remedy=REMEDY
        ) from None
    if not hasattr(network.config, "hidden_size"):
        raise ConfigError("the configuration belongs to no known text encoder", where=where, found=config.get("model_type"), remedy=REMEDY)
    _load(network, folder / "model.safetensors")
    return network.float().eval()


def _load(network: Any, path: Path) -> None:  # noqa: ANN401 - class of an optional library
    """Load all weights of a file, whose names may begin with the name of the encoder in a larger model.

    Raises:
        StorageError: The file is damaged, or holds the weights of another encoder.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    prefix = f"{network.base_model_prefix}."
    try:
        weights: Mapping[str, torch.Tensor] = {name.removeprefix(prefix): value for name, value in load_file(path).items()}
        missing = [name for name in network.load_state_dict(weights, strict=False).missing_keys if not name.startswith("pooler.")]
    except (SafetensorError, RuntimeError) as error:
        found = str(error).splitlines()[-1].strip()
        raise StorageError("these are not the text encoder's weights", where=str(path), found=found, remedy=REMEDY) from None
    if missing:
        found = f"nothing for {missing[0]}" + (f" and {len(missing) - 1} others" if missing[1:] else "")
        raise StorageError("these are not the text encoder's weights", where=str(path), found=found, remedy=REMEDY)


def _tokenizer(folder: Path, longest: int) -> Any:  # noqa: ANN401 - class of an optional library
    """Return the tokenizer of a folder, which cuts texts off at a number of pieces.

    Raises:
        StorageError: Its file is damaged.
        ConfigError: The library is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        what, remedy = "pretrained text encoders need the package tokenizers", "pip install 'polytask[text]'"
        raise ConfigError(what, where="tokenizers", remedy=remedy) from None
    path = folder / "tokenizer.json"
    try:
        made = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # noqa: BLE001 - the library raises plain exceptions
        raise StorageError("this is no tokenizer", where=str(path), found=first_line(error), remedy=REMEDY) from None
    made.no_padding()
    made.enable_truncation(longest)
    return made
