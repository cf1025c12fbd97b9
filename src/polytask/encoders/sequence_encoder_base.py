"""Base class of encoders of sequences."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from polytask.encoders.encoder import Encoder


class SequenceEncoder(Encoder):
    """Base class for encoders of sequences: a stem that gives one vector per word or word piece, and a body over all of them.

    The last number of a vector is 1 for a word or word piece, and 0 for padding.

    Attributes:
        whole: Stem, then body.
    """

    tokens: ClassVar[bool] = True
    whole: nn.Sequential

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Stem and body as a single stage: there is nothing to mix between words and their context."""
        return (self.whole,)

    @property
    def stem(self) -> nn.Module:
        """Module that maps codes to vectors."""
        return self.whole[0]

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """Single module that maps the vectors to features."""
        return (self.whole[1],)

    @staticmethod
    def summary(stemmed: Tensor) -> Tensor:
        """Compute the mean over the vectors of words, without padding."""
        there, places = stemmed[..., -1:], tuple(range(1, stemmed.dim() - 1))
        mean: Tensor = (stemmed[..., :-1] * there).sum(places) / there.sum(places).clamp(min=1)
        return mean
