"""Encoders of sentences as sequences of words."""

from __future__ import annotations

from typing import Literal, cast, final, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from polytask.encoders.encoder import layer_groups_from_blocks
from polytask.encoders.sequence_encoder_base import SequenceEncoder
from polytask.errors import ConfigError

TextVariant = Literal["gru", "transformer"]
UNKNOWN_WORD = 1
ATTENTION_HEADS = 4


class WordEmbedding(nn.Module):
    """Embedding of word codes (N, L) as vectors (N, L, width + 1), whose last number is 1 for a word and 0 for padding.

    In training, each word is replaced with the unknown word with a small probability, so that the unknown word gets a vector too.
    """

    def __init__(self, words: int, width: int, word_dropout: float, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width, padding_idx=0)
        self.word_dropout, self.dropout = word_dropout, nn.Dropout(dropout)

    def forward(self, codes: Tensor) -> Tensor:
        """Embed codes (N, L) as vectors (N, L, width + 1)."""
        there = codes != 0
        if self.training and self.word_dropout:
            lost = there & (torch.rand(codes.shape, device=codes.device) < self.word_dropout)
            codes = torch.where(lost, UNKNOWN_WORD, codes)
        vectors = self.dropout(self.table(codes))
        return torch.cat([vectors, there.unsqueeze(2).to(vectors.dtype)], dim=2)


class SentenceEncoder(nn.Module):
    """Module that maps vectors of words (N, L, inputs + 1) to features (N, 1 + L, outputs).

    The first features are the maximum over the sentence, the others those of each word in its context.
    """

    def __init__(self, context: nn.Module, dropout: float) -> None:
        super().__init__()
        self.context, self.dropout = context, nn.Dropout(dropout)

    def forward(self, stemmed: Tensor) -> Tensor:
        """Compute features (N, 1 + L, outputs), which are zero at padding."""
        vectors, there = stemmed[..., :-1], stemmed[..., -1:] > 0.5
        words = self.context(vectors, there.squeeze(2))
        lowest = torch.finfo(words.dtype).min
        summary = words.masked_fill(~there, lowest).amax(dim=1, keepdim=True)
        summary = torch.where(there.any(dim=1, keepdim=True), summary, 0.0)
        features: Tensor = self.dropout(torch.cat([summary, words.masked_fill(~there, 0.0)], dim=1))
        return features


class RecurrentContext(nn.Module):
    """Bidirectional GRU (Cho et al., EMNLP 2014) that skips padding."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width // 2, layers, batch_first=True, bidirectional=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        """Compute the features (N, L, width) of each word in its context."""
        lengths = there.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        words, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=vectors.shape[1])
        return words


class TransformerContext(nn.Module):
    """Small transformer encoder (Vaswani et al., NeurIPS 2017) with normalization first and sinusoidal positions."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        layer = nn.TransformerEncoderLayer(width, ATTENTION_HEADS, 2 * width, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        """Compute the features (N, L, width) of each word in its context."""
        values = self.first(vectors)
        values = values + _positional_encoding(values.shape[1], values.shape[2]).to(values)
        # In a sentence without words, the first position is not masked: a softmax over nothing is NaN.
        hidden = ~there
        hidden = hidden & ~(hidden.all(dim=1, keepdim=True) & (torch.arange(there.shape[1], device=there.device) == 0))
        words: Tensor = self.layers(values, src_key_padding_mask=hidden)
        return words


def _positional_encoding(length: int, width: int) -> Tensor:
    """Compute sines and cosines (length, width) of increasing wavelengths (Vaswani et al., section 3.5)."""
    places = torch.arange(length).unsqueeze(1)
    angles = places / 10_000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


_CONTEXTS = {"gru": RecurrentContext, "transformer": TransformerContext}


@final
class TextEncoder(SequenceEncoder):
    """Encoder of texts with word vectors, followed by a bidirectional GRU or a small transformer.

    Inputs are codes of words (N, L), 0 for padding, as `polytask.data.WordTokenizer` produces them. Features are (N, 1 + L, width): a
    summary of the sentence, which is the maximum over its words, for tasks per sentence, and then each word in its context, for tasks
    per word. Additional padding does not change the features.

    Args:
        input_shape: Shape (L,) of one input; inputs of other lengths are accepted too.
        words: Number of codes, including those of padding and unknown words.
        variant: Kind of the context layers, `gru` or `transformer`.
        embedding: Width of a word's vector.
        width: Width of the features; a GRU's two directions have half of it each.
        layers: Number of layers of the GRU or transformer.
        dropout: Dropout rate of word vectors, layers and features, at least 0 and below 1.
        word_dropout: Share of words that are replaced with the unknown word in training, at least 0 and below 1.

    Raises:
        ConfigError: Inputs are not sequences of codes, the variant is unknown, or a number is out of its range.

    Example:
        >>> encoder = TextEncoder((6,), words=20, width=8)
        >>> encoder(torch.tensor([[4, 2, 7, 0, 0, 0]])).shape
        torch.Size([1, 7, 8])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        words: int,
        variant: TextVariant = "gru",
        embedding: int = 128,
        width: int = 256,
        layers: int = 1,
        dropout: float = 0.3,
        word_dropout: float = 0.02,
    ) -> None:
        super().__init__()
        where = "encoder 'text'"
        if len(input_shape) != 1:
            found = f"inputs of shape {tuple(input_shape)}"
            raise ConfigError("inputs must be codes of words with shape (N, L)", where=where, found=found)
        if variant not in get_args(TextVariant):
            raise ConfigError(
                "unknown variant", where=f"{where}, variant", found=variant, remedy=f"Choose from: {', '.join(get_args(TextVariant))}"
            )
        multiple = {"gru": 2, "transformer": ATTENTION_HEADS}[variant]
        if min(words - 1, embedding, layers) < 1 or width < 1 or width % multiple:
            found = f"words={words}, embedding={embedding}, width={width}, layers={layers}"
            raise ConfigError(
                f"sizes must be at least 1, `words` at least 2, and `width` divisible by {multiple}", where=where, found=found
            )
        for name, share in {"dropout": dropout, "word_dropout": word_dropout}.items():
            if not 0 <= share < 1:
                raise ConfigError("a rate must be at least 0 and below 1", where=f"{where}, {name}", found=share)
        self.input_shape, self.features, self.words = tuple(input_shape), width, words
        reader = SentenceEncoder(_CONTEXTS[variant](embedding, width, layers, dropout), dropout)
        self.whole = nn.Sequential(WordEmbedding(words, embedding, word_dropout, dropout), reader)

    @property
    def pieces(self) -> tuple[nn.Module, ...]:
        """Stem, and each layer of a transformer."""
        context = cast("SentenceEncoder", self.whole[1]).context
        if not isinstance(context, TransformerContext):
            return super().pieces
        return (self.stem, *layer_groups_from_blocks(self.whole[1], tuple(context.layers.layers)))

    def example(self, rows: int) -> Tensor:
        """Return sentences of unknown words."""
        return torch.full((rows, *self.input_shape), UNKNOWN_WORD, dtype=torch.int64)
