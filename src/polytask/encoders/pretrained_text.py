"""Pretrained text encoders from a local folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn

from polytask.encoders.encoder import layer_groups_from_blocks
from polytask.encoders.initial_weights import load_weights
from polytask.encoders.sequence_encoder_base import SequenceEncoder
from polytask.errors import ConfigError, StorageError

REMEDY = "Give a folder whose config.json and model.safetensors belong to the same encoder"


class SubwordEmbedding(nn.Module):
    """Embedding of codes of word pieces (N, L, K) as vectors (N, L + 2, K, width + 1).

    The special tokens before and after the sentence are added. The last number of a vector is 1 for a piece, and 0 for padding.
    """

    has_own_initialization = True

    def __init__(self, table: nn.Embedding, special_tokens: Sequence[int]) -> None:
        super().__init__()
        self.table, self.special_tokens = table, tuple(special_tokens)

    def reset_parameters(self) -> None:
        """Keep the table, which is initialized with the encoder."""

    def forward(self, codes: Tensor) -> Tensor:
        """Embed codes (N, L, K) as vectors (N, L + 2, K, width + 1)."""
        begin, end = (torch.zeros_like(codes[:, :1]) for _ in range(2))
        begin[:, :, 0], end[:, :, 0] = self.special_tokens[0] + 1, self.special_tokens[1] + 1
        whole = torch.cat([begin, codes, end], dim=1)
        there = whole > 0
        vectors = self.table((whole - 1).clamp(min=0))
        return torch.cat([vectors, there.unsqueeze(3).to(vectors.dtype)], dim=3)


class SubwordTransformer(nn.Module):
    """Transformer that maps vectors of word pieces (N, L + 2, K, width + 1) to features (N, 1 + L, width).

    The first features are those of the special token before the sentence, the others those of each word's first piece.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, stemmed: Tensor) -> Tensor:
        """Compute features (N, 1 + L, width), which are zero at padding."""
        rows, words, pieces, _ = stemmed.shape
        flat = stemmed.flatten(1, 2)
        there = flat[..., -1] > 0.5
        # Pieces are moved before padding, in order, so that only the length of the longest sentence is computed.
        order = there.int().argsort(dim=1, descending=True, stable=True)[:, : int(there.sum(1).max())]
        close = flat[..., :-1].gather(1, order.unsqueeze(2).expand(-1, -1, flat.shape[2] - 1))
        read = self.network(inputs_embeds=close, attention_mask=there.gather(1, order).to(close.dtype)).last_hidden_state
        places = torch.zeros(rows, words * pieces, dtype=torch.int64, device=read.device)
        places.scatter_(1, order, torch.arange(order.shape[1], device=read.device).expand_as(order))
        first = places.view(rows, words, pieces)[:, :-1, 0]
        features = read.gather(1, first.unsqueeze(2).expand(-1, -1, read.shape[2]))
        found: Tensor = features * stemmed[:, :-1, 0, -1:]
        return found


@final
class PretrainedTextEncoder(SequenceEncoder):
    """Hugging Face text encoder with the weights of a local folder or, without one, random weights. It needs the extra `text`.

    Inputs are word pieces (N, L, K) as `polytask.data.SubwordTokenizer` produces them; nothing is downloaded. Features are (N, 1 + L,
    width): those of the special token before the sentence, then those of each word's first piece. An initialization does not change
    weights that come from the folder.

    Args:
        input_shape: Shape (L, K) of one input, with K pieces per word; inputs of other lengths are accepted too.
        config: Configuration of the encoder, as in its `config.json`.
        special_tokens: Codes of the tokens before and after a sentence.
        folder: Folder with `model.safetensors`; `None` leaves the weights random.

    Raises:
        ConfigError: Inputs are not word pieces, the extra is not installed, or the configuration belongs to no known encoder.
        StorageError: The folder has no weights, or weights that do not fit the configuration.
    """

    initialization_options: ClassVar[tuple[str, ...]] = ("folder",)
    """Options that only set initial values; a plan for a network whose weights are loaded leaves them out."""

    def __init__(
        self, input_shape: tuple[int, ...], config: Mapping[str, Any], special_tokens: Sequence[int], folder: str | None = None
    ) -> None:
        super().__init__()
        if len(input_shape) != 2:
            found = f"inputs of shape {tuple(input_shape)}"
            raise ConfigError("inputs must be word pieces with shape (N, L, K)", where="encoder 'pretrained'", found=found)
        network = _network(dict(config))
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # its output is not used, and parameters without a gradient would be counted and stored
        if folder is not None:
            _load(network, Path(folder))
        self.input_shape, self.features = tuple(input_shape), int(network.config.hidden_size)
        table = cast("nn.Embedding", network.get_input_embeddings())
        network.set_input_embeddings(nn.Identity())  # the stem has the table
        self.whole = nn.Sequential(SubwordEmbedding(table, special_tokens), SubwordTransformer(network))
        if folder is not None:
            for module in self.whole.modules():
                module.keeps_pretrained_weights = True  # type: ignore[assignment]

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """Embedding of pieces and positions, then each block."""
        network: Any = cast("SubwordTransformer", self.whole[1]).network
        stacks = (module for module in network.modules() if isinstance(module, nn.ModuleList))
        blocks = next((stack for stack in stacks if len(stack) == network.config.num_hidden_layers), None)
        return super().pieces if blocks is None else layer_groups_from_blocks(self.whole, tuple(blocks))

    def example(self, rows: int) -> Tensor:
        """Return sentences in which each word has one piece."""
        codes = torch.zeros(rows, *self.input_shape, dtype=torch.int64)
        codes[..., 0] = 1
        return codes


def _network(config: dict[str, Any]) -> Any:  # noqa: ANN401 - class of an optional library
    """Create a Hugging Face encoder with random weights from its configuration.

    Raises:
        ConfigError: The library is not installed, or the configuration belongs to no known encoder.
    """
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError:
        raise ConfigError(
            "pretrained text encoders need the package transformers", where="transformers", remedy="pip install 'polytask[text]'"
        ) from None
    try:
        return AutoModel.from_config(AutoConfig.for_model(**config))  # type: ignore[no-untyped-call]
    except (KeyError, ValueError, TypeError) as error:
        found = str(error).partition("\n")[0]
        raise ConfigError("the configuration belongs to no known encoder", where="encoder 'pretrained', config", found=found) from None


def _load(network: nn.Module, folder: Path) -> None:
    """Load the weights of a folder into an encoder.

    Raises:
        StorageError: The folder has no weights, or weights of another encoder.
    """
    if next(network.parameters()).is_meta:
        return  # the encoder is measured, and has no values
    path = folder / "model.safetensors"
    if not path.is_file():
        raise StorageError("this file is missing", where=str(path), remedy="Give a folder with model.safetensors")
    try:
        matched = load_weights(network, path)
    except ConfigError as error:
        raise StorageError(error.what, where=error.where, found=error.found, remedy=REMEDY) from None
    if matched.missing or matched.mismatched:
        raise StorageError("these are not the encoder's weights", where=str(path), found=str(matched), remedy=REMEDY)
