"""Form of the inputs of a source, as a network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from polytask.data import Source

Values = Literal["numbers", "columns", "codes"]


@dataclass(frozen=True)
class InputForm:
    """Form of the inputs of a source after normalization, and the tasks that the source labels.

    Attributes:
        shape: Shape of one input.
        tasks: Names of the tasks that the source labels.
        values: Content of the inputs: normalized numbers, columns of a table (numbers, and codes of categories), or codes of words.
        dtype: Name of the data type, such as `float32` or `int64`.

    Example:
        >>> InputForm((4,), ("churn",)).example(2).shape
        torch.Size([2, 4])
    """

    shape: tuple[int, ...]
    tasks: tuple[str, ...]
    values: Values = "numbers"
    dtype: str = "float32"

    @classmethod
    def of(cls, source: Source) -> InputForm:
        """Return the form of the inputs of a source."""
        shape = tuple(int(side) for side in source.inputs.shape[1:])
        if source.preprocessor is None:
            return cls(shape, tuple(source.tasks))
        if source.preprocessor.numeric_columns(source.inputs) is None:
            return cls(shape, tuple(source.tasks), "codes", str(source.inputs.dtype))
        return cls(shape, tuple(source.tasks), "columns")

    def example(self, rows: int) -> Tensor:
        """Return example inputs `(rows, *shape)`: normal numbers, zeros for the columns of a table, or sentences of one unknown word."""
        if self.values == "numbers":
            return torch.randn(rows, *self.shape, generator=torch.Generator().manual_seed(0), dtype=getattr(torch, self.dtype))
        inputs = torch.zeros(rows, *self.shape, dtype=getattr(torch, self.dtype))
        if self.values == "codes":
            inputs[..., 0] = 1
        return inputs
