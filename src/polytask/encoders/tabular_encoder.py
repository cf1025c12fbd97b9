"""Rows of a table: numbers with gaps, and categories."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError

NumberEncoding = Literal["plain", "piecewise", "periodic"]


class PlainNumbers(nn.Module):
    """Every number as it is: (N, F) -> (N, F)."""

    def __init__(self, columns: int, size: int, sigma: float) -> None:
        super().__init__()
        del columns, size, sigma

    def forward(self, numbers: Tensor) -> Tensor:
        """As they are."""
        return numbers


class PiecewiseLinearEncoding(nn.Module):
    """Piecewise-linear encoding (Gorishniy, Rubachev & Babenko, NeurIPS 2022, eq. 1): (N, F) -> (N, F · size).

    Between the quantiles b_0 < … < b_size of the training rows, e_j = (x − b_{j−1}) / (b_j − b_{j−1}), cut to [0, 1] but for the first
    and the last, which go on below and above.
    """

    bins: Tensor

    def __init__(self, columns: int, size: int, sigma: float) -> None:
        super().__init__()
        del sigma
        # Until training rows have been seen: as if numbers were spread evenly from -2 to 2 deviations.
        self.register_buffer("bins", torch.linspace(-2.0, 2.0, size + 1).repeat(columns, 1))

    def fit_quantiles(self, numbers: Tensor) -> None:
        """Quantiles of every column; where several are one, the interval is empty and stays 0 or 1."""
        shares = torch.linspace(0.0, 1.0, self.bins.shape[1], dtype=torch.float64)
        for column, values in zip(self.bins, numbers.double().unbind(1), strict=True):
            distinct = torch.unique(values[~values.isnan()])
            if len(distinct):
                column.copy_(torch.quantile(distinct[:: max(1, len(distinct) // 100_000)], shares))

    def forward(self, numbers: Tensor) -> Tensor:
        """(N, F · size)."""
        low, high = self.bins[:, :-1], self.bins[:, 1:]
        shares = (numbers.unsqueeze(2) - low) / (high - low).clamp(min=1e-6)
        count = shares.shape[2]
        lowest, highest = torch.zeros(count).to(shares), torch.ones(count).to(shares)
        lowest[0], highest[-1] = -10.0, 10.0  # far outliers are cut too: a single row must not rule a step
        return torch.minimum(torch.maximum(shares, lowest), highest).flatten(1)


class PeriodicEmbedding(nn.Module):
    """Periodic embedding (Gorishniy, Rubachev & Babenko, NeurIPS 2022, eq. 3): [sin 2πcx, cos 2πcx], then a linear map and ReLU per column.

    (N, F) -> (N, F · size), with c learned from N(0, σ²).
    """

    def __init__(self, columns: int, size: int, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.frequencies = nn.Parameter(torch.empty(columns, size))
        self.weight, self.bias = nn.Parameter(torch.empty(columns, 2 * size, size)), nn.Parameter(torch.empty(columns, size))
        self.reset_parameters()

    has_own_initialization = True

    def reset_parameters(self) -> None:
        """c from N(0, σ²); the maps as linear layers start."""
        bound = self.weight.shape[1] ** -0.5
        nn.init.normal_(self.frequencies, std=self.sigma)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, numbers: Tensor) -> Tensor:
        """(N, F · size)."""
        angles = 2 * torch.pi * self.frequencies * numbers.unsqueeze(2)
        waves = torch.cat([angles.sin(), angles.cos()], dim=2)
        return torch.relu(torch.einsum("nfw,fws->nfs", waves, self.weight) + self.bias).flatten(1)


_NUMBER_ENCODINGS = {"plain": PlainNumbers, "piecewise": PiecewiseLinearEncoding, "periodic": PeriodicEmbedding}


class RowEmbedding(nn.Module):
    """A row (N, F) as one vector: numbers, whether they are missing, features as they are, and a vector per category.

    A missing number is 0, which is its mean, beside an indicator of 1 if the column had gaps in training. A category that is missing,
    unknown, or not among the training rows has the vector 0.
    """

    offsets: Tensor
    seen: Tensor
    width: int

    def __init__(
        self,
        cardinalities: Sequence[int],
        missing_indicators: Sequence[bool],
        number_encoding: NumberEncoding,
        number_width: int,
        sigma: float,
        embedding: int,
    ) -> None:
        super().__init__()
        self.number_columns = [place for place, count in enumerate(cardinalities) if not count]
        self.feature_columns = [place for place, count in enumerate(cardinalities) if count < 0]
        self.category_columns = [place for place, count in enumerate(cardinalities) if count > 0]
        self.gaps = [number for number, place in enumerate(self.number_columns) if missing_indicators[place]]
        self.only_numbers = len(self.number_columns) == len(cardinalities)
        counts = [cardinalities[place] for place in self.category_columns]
        columns = len(self.number_columns)
        self.numbers = _NUMBER_ENCODINGS[number_encoding](columns, number_width, sigma)
        self.table = nn.Embedding(sum(counts), embedding) if counts else None
        self.register_buffer("offsets", torch.tensor([sum(counts[:place]) for place in range(len(counts))], dtype=torch.int64))
        known = torch.ones(sum(counts), dtype=torch.bool)
        known[self.offsets] = False
        self.register_buffer("seen", known)
        widths = (
            columns * (1 if number_encoding == "plain" else number_width),
            len(self.gaps),
            len(self.feature_columns),
            embedding * len(counts),
        )
        self.width = sum(widths)

    def adapt(self, inputs: Tensor) -> None:
        """What numbers need to know of the training rows, and which categories are among them."""
        if isinstance(self.numbers, PiecewiseLinearEncoding):
            self.numbers.fit_quantiles(inputs[:, self.number_columns])
        if self.category_columns:
            codes = inputs[:, self.category_columns].long() + self.offsets
            among = torch.zeros_like(self.seen)
            among[codes.flatten()] = True
            self.seen.copy_(among)
            self.seen[self.offsets] = False

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, width)."""
        numbers = inputs if self.only_numbers else inputs[:, self.number_columns]
        parts = [self.numbers(numbers.nan_to_num(0.0, torch.inf, -torch.inf))]
        if self.gaps:
            parts.append(numbers[:, self.gaps].isnan().to(inputs.dtype))
        if self.feature_columns:
            parts.append(inputs[:, self.feature_columns])
        if self.table is not None:
            codes = inputs[:, self.category_columns].long() + self.offsets
            vectors = self.table(codes) * self.seen[codes].unsqueeze(2)
            parts.append(vectors.flatten(1))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


class DenseLayer(nn.Sequential):
    """Fully connected, ReLU, and dropout if there is any."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__(nn.Linear(inputs, outputs), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else []))


@final
class TabularEncoder(Encoder):
    """Numbers with indicators of what is missing, vectors for categories, then fully connected layers.

    Inputs are rows (N, F) as `polytask.data.TablePreprocessor` makes them: numbers, normalized, NaN where there is none; codes of
    categories, 0
    where it is missing or unknown. The cells' vectors are the stem; experts are copies of the layers.

    Args:
        input_shape: (F,) of one row.
        cardinalities: Per column how many codes it has; 0 for a number, -1 for a feature that is to be taken as it is. By default all
            columns are numbers.
        missing_indicators: Per column whether its numbers get an indicator of what is missing. By default all do.
        hidden: The widths of the layers.
        dropout: Share of units that are dropped after each.
        embedding: Width of a category's vector.
        number_encoding: `plain` as they are, `piecewise` linear between quantiles, or `periodic` in sines.
        number_width: Numbers per number, of the latter two.
        sigma: σ of the frequencies of periodic numbers: the larger, the finer what can be told apart.

    Raises:
        ConfigError: Inputs are not vectors; cardinalities do not fit; an unknown way with numbers; a size below 1.

    Example:
        >>> encoder = TabularEncoder((2,), cardinalities=(0, 3), hidden=(8,))
        >>> encoder(torch.tensor([[0.5, 1.0], [torch.nan, 0.0]])).shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        cardinalities: Sequence[int] | None = None,
        missing_indicators: Sequence[bool] | None = None,
        hidden: Sequence[int] = (256, 128),
        dropout: float = 0.0,
        embedding: int = 8,
        number_encoding: NumberEncoding = "plain",
        number_width: int = 8,
        sigma: float = 1.0,
    ) -> None:
        super().__init__()
        where = "encoder 'tabular'"
        if len(input_shape) != 1 or input_shape[0] < 1:
            raise ConfigError("inputs must be rows of at least one column", where=where, found=f"inputs of shape {tuple(input_shape)}")
        counts = [0] * input_shape[0] if cardinalities is None else list(cardinalities)
        indicated = [True] * input_shape[0] if missing_indicators is None else list(missing_indicators)
        if not len(counts) == len(indicated) == input_shape[0] or min(counts) < -1:
            found = f"{len(counts)} and {len(indicated)} for {input_shape[0]} columns, and {min(counts)} at least"
            what = "one number of codes per column (0 for a number, -1 for a feature), and one answer to gaps, are needed"
            raise ConfigError(what, where=f"{where}, cardinalities", found=found)
        if number_encoding not in get_args(NumberEncoding):
            remedy = f"Choose from: {', '.join(get_args(NumberEncoding))}"
            raise ConfigError("unknown way with numbers", where=f"{where}, numbers", found=number_encoding, remedy=remedy)
        if not hidden or min(*hidden, embedding, number_width) < 1 or not 0 <= dropout < 1 or not sigma > 0:
            found = f"hidden={tuple(hidden)}, embedding={embedding}, size={number_width}, dropout={dropout}, sigma={sigma}"
            raise ConfigError("sizes from 1 up, a dropout from 0 up and below 1, and a sigma above 0 are needed", where=where, found=found)
        self.input_shape, self.features = tuple(input_shape), hidden[-1]
        self.cells = RowEmbedding(counts, indicated, number_encoding, number_width, sigma, embedding)
        widths = (self.cells.width, *hidden)
        self.layers = nn.Sequential(*(DenseLayer(a, b, dropout) for a, b in pairwise(widths)))

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """The cells' vectors, and a stage per layer."""
        return (self.cells, *self.layers)

    @property
    def stem(self) -> nn.Module:
        """The cells' vectors."""
        return self.cells

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """The layers."""
        return tuple(self.layers)
