"""What encoders of sequences have in common."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from polytask.encoders.encoder import Encoder


class SequenceEncoder(Encoder):
    """A stem that gives vectors, and one body that reads them all.

    The last number of a vector is 1 where there is a word, or a piece of one, and 0 at padding.

    Attributes:
        whole: The stem, then the body.
    """

    tokens: ClassVar[bool] = True
    whole: nn.Sequential

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """One: between words and their context there is nothing to mix."""
        return (self.whole,)

    @property
    def stem(self) -> nn.Module:
        """The vectors."""
        return self.whole[0]

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """What reads them."""
        return (self.whole[1],)

    @staticmethod
    def summary(stemmed: Tensor) -> Tensor:
        """The mean over the vectors."""
        there, places = stemmed[..., -1:], tuple(range(1, stemmed.dim() - 1))
        mean: Tensor = (stemmed[..., :-1] * there).sum(places) / there.sum(places).clamp(min=1)
        return mean
