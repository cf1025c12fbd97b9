"""Encoder of table rows: numbers with missing values, and categories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from polytask.devices import CPU
from polytask.encoders.encoder import Encoder
from polytask.errors import ConfigError

NumberEncoding = Literal["plain", "piecewise", "periodic"]


class PlainNumbers(nn.Module):
    """Numbers (N, F) without any encoding."""

    def __init__(self, columns: int, size: int, sigma: float) -> None:
        super().__init__()
        del columns, size, sigma

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the numbers unchanged."""
        return numbers


class PiecewiseLinearEncoding(nn.Module):
    """Piecewise-linear encoding (Gorishniy, Rubachev & Babenko, NeurIPS 2022, eq. 1): (N, F) -> (N, F · size).

    Between the quantiles b_0 < … < b_size of the training rows, e_j = (x − b_{j−1}) / (b_j − b_{j−1}), clipped to [0, 1] except that the
    first continues below 0 and the last above 1.
    """

    bins: Tensor

    def __init__(self, columns: int, size: int, sigma: float) -> None:
        super().__init__()
        del sigma
        # Before `fit_quantiles`, bins are those of numbers spread evenly from -2 to 2 standard deviations.
        self.register_buffer("bins", torch.linspace(-2.0, 2.0, size + 1).repeat(columns, 1))

    def fit_quantiles(self, numbers: Tensor) -> None:
        """Set the bins to the quantiles of each column; if several quantiles are equal, their interval is empty and gives 0 or 1."""
        shares = torch.linspace(0.0, 1.0, self.bins.shape[1], dtype=torch.float64)
        for column, values in zip(self.bins, numbers.double().unbind(1), strict=True):
            distinct = torch.unique(values[~values.isnan()])
            if len(distinct):
                column.copy_(torch.quantile(distinct[:: max(1, len(distinct) // 100_000)], shares))

    def forward(self, numbers: Tensor) -> Tensor:
        """Encode numbers (N, F) as (N, F · size)."""
        low, high = self.bins[:, :-1], self.bins[:, 1:]
        shares = (numbers.unsqueeze(2) - low) / (high - low).clamp(min=1e-6)
        count = shares.shape[2]
        lowest, highest = torch.zeros(count).to(shares), torch.ones(count).to(shares)
        lowest[0], highest[-1] = -10.0, 10.0  # far outliers are clipped too: a single row must not dominate a step
        return torch.minimum(torch.maximum(shares, lowest), highest).flatten(1)


class PeriodicEmbedding(nn.Module):
    """Periodic embedding (Gorishniy, Rubachev & Babenko, NeurIPS 2022, eq. 3): (N, F) -> (N, F · size).

    [sin 2πcx, cos 2πcx], then a linear map and ReLU per column; c is learned and starts from N(0, σ²).
    """

    def __init__(self, columns: int, size: int, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.frequencies = nn.Parameter(torch.empty(columns, size))
        self.weight, self.bias = nn.Parameter(torch.empty(columns, 2 * size, size)), nn.Parameter(torch.empty(columns, size))
        self.reset_parameters()

    has_own_initialization = True

    def reset_parameters(self) -> None:
        """Draw c from N(0, σ²), and initialize the maps like linear layers."""
        bound = self.weight.shape[1] ** -0.5
        nn.init.normal_(self.frequencies, std=self.sigma)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, numbers: Tensor) -> Tensor:
        """Embed numbers (N, F) as (N, F · size)."""
        angles = 2 * torch.pi * self.frequencies * numbers.unsqueeze(2)
        waves = torch.cat([angles.sin(), angles.cos()], dim=2)
        return torch.relu(torch.einsum("nfw,fws->nfs", waves, self.weight) + self.bias).flatten(1)


_NUMBER_ENCODINGS = {"plain": PlainNumbers, "piecewise": PiecewiseLinearEncoding, "periodic": PeriodicEmbedding}


class RowEmbedding(nn.Module):
    """Embedding of rows (N, F) as one vector each: numbers, indicators of missing numbers, unchanged features, and category vectors.

    A missing number becomes 0, which is its mean, with an indicator of 1 if the column had gaps in training. A category that is missing,
    unknown, or not among the training rows has the vector 0.

    Attributes:
        offsets: Row of each categorical column's first code in the table of vectors.
        seen: Whether each row of the table of vectors belongs to a category among the training rows.
        width: Width of the vectors.
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
        """Fit quantiles to the training rows if numbers need them, and record which categories occur."""
        if isinstance(self.numbers, PiecewiseLinearEncoding):
            self.numbers.fit_quantiles(inputs[:, self.number_columns])
        if self.category_columns:
            codes = inputs[:, self.category_columns].long() + self.offsets
            among = torch.zeros_like(self.seen)
            among[codes.flatten()] = True
            self.seen.copy_(among)
            self.seen[self.offsets] = False

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed rows (N, F) as vectors (N, width)."""
        numbers = inputs if self.only_numbers else _of_columns(inputs, self.number_columns)
        parts = [self.numbers(numbers.nan_to_num(0.0, torch.inf, -torch.inf))]
        if self.gaps:
            parts.append(_of_columns(numbers, self.gaps).isnan().to(inputs.dtype))
        if self.feature_columns:
            parts.append(_of_columns(inputs, self.feature_columns))
        if self.table is not None:
            codes = _of_columns(inputs, self.category_columns).long() + self.offsets
            vectors = self.table(codes) * self.seen[codes].unsqueeze(2)
            parts.append(vectors.flatten(1))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


def _of_columns(values: Tensor, columns: list[int]) -> Tensor:
    """Return columns of rows (N, F). An accelerator gets their places once: a list would be copied to it, and waited for, in every step."""
    return values[:, columns] if values.device == CPU else values.index_select(1, _places(tuple(columns), values.device))


@lru_cache(maxsize=256)
def _places(columns: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(columns).to(device)


class DenseLayer(nn.Sequential):
    """Fully connected layer with ReLU, and dropout unless its rate is 0."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__(nn.Linear(inputs, outputs), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else []))


@final
class TabularEncoder(Encoder):
    """Encoder of table rows: numbers with indicators of missing values, vectors for categories, then fully connected layers.

    Inputs are rows (N, F) as `polytask.data.TablePreprocessor` produces them: normalized numbers, NaN if missing, and codes of
    categories, 0 if missing or unknown. The embedding of cells is the stem; experts are copies of the layers.

    Args:
        input_shape: Shape (F,) of one row.
        cardinalities: Number of codes of each column; 0 for numbers, -1 for features that are used unchanged. `None` means that all
            columns are numbers.
        missing_indicators: Whether each column, if it holds numbers, gets an indicator of missing values; `None` means that all do.
        hidden: Widths of the layers; the last one is the width of the features.
        dropout: Dropout rate after each layer, at least 0 and below 1.
        embedding: Width of a category's vector.
        number_encoding: Encoding of numbers: `plain` (none), `piecewise` (linear between quantiles) or `periodic` (sines and cosines).
        number_width: Width of the encoding of one number; not used by `plain`.
        sigma: Standard deviation σ of the initial frequencies of `periodic`; a larger one separates closer numbers.

    Raises:
        ConfigError: Inputs are not vectors, cardinalities do not fit, the number encoding is unknown, or a number is out of its range.

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
            found = f"{len(counts)} and {len(indicated)} for {input_shape[0]} columns, with cardinalities from {min(counts)}"
            what = "one cardinality of at least -1 and one missing indicator per column are required"
            raise ConfigError(what, where=f"{where}, cardinalities", found=found)
        if number_encoding not in get_args(NumberEncoding):
            remedy = f"Choose from: {', '.join(get_args(NumberEncoding))}"
            raise ConfigError("unknown number encoding", where=f"{where}, number_encoding", found=number_encoding, remedy=remedy)
        if not hidden or min(*hidden, embedding, number_width) < 1 or not 0 <= dropout < 1 or not sigma > 0:
            found = f"hidden={tuple(hidden)}, embedding={embedding}, number_width={number_width}, dropout={dropout}, sigma={sigma}"
            raise ConfigError("sizes must be at least 1, `dropout` at least 0 and below 1, and `sigma` above 0", where=where, found=found)
        self.input_shape, self.features = tuple(input_shape), hidden[-1]
        self.cells = RowEmbedding(counts, indicated, number_encoding, number_width, sigma, embedding)
        widths = (self.cells.width, *hidden)
        self.layers = nn.Sequential(*(DenseLayer(a, b, dropout) for a, b in pairwise(widths)))

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Embedding of cells, then one stage per layer."""
        return (self.cells, *self.layers)

    @property
    def stem(self) -> nn.Module:
        """Embedding of cells."""
        return self.cells

    @property
    def body(self) -> tuple[nn.Module, ...]:
        """Fully connected layers."""
        return tuple(self.layers)
