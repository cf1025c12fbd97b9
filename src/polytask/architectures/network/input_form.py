"""Form of the inputs of a source, as a network sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from polytask.data import Source
from polytask.data.input_entries import Inputs, is_code, sample_of

Values = Literal["numbers", "columns", "codes"]


@dataclass(frozen=True)
class InputForm:
    """Form of the inputs of a source after normalization, and the tasks that the source labels.

    Attributes:
        shape: Shape of one input.
        tasks: Names of the tasks that the source labels.
        values: Content of the inputs: normalized numbers, columns of a table (numbers, and codes of categories), or codes of words.
        dtype: Name of the data type, such as `float32` or `int64`.
        entries: Form of each entry by its name, if inputs are several arrays; the shape is then empty.

    Example:
        >>> InputForm((4,), ("churn",)).example(2).shape
        torch.Size([2, 4])
    """

    shape: tuple[int, ...]
    tasks: tuple[str, ...]
    values: Values = "numbers"
    dtype: str = "float32"
    entries: Mapping[str, InputForm] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, source: Source) -> InputForm:
        """Return the form of the inputs of a source."""
        if source.has_entries:
            return cls((), tuple(source.tasks), entries={name: cls._of_entry(entry) for name, entry in sample_of(source.inputs).items()})
        shape = source.input_shape
        if source.preprocessor is None:
            return cls(shape, tuple(source.tasks))
        if source.preprocessor.numeric_columns(source.inputs) is None:
            return cls(shape, tuple(source.tasks), "codes", str(source.inputs.dtype))
        return cls(shape, tuple(source.tasks), "columns")

    @classmethod
    def _of_entry(cls, entry: Any) -> InputForm:  # noqa: ANN401 - an array
        shape = tuple(int(side) for side in entry.shape[1:])
        return cls(shape, (), "codes", "int64") if is_code(entry) else cls(shape, ())

    @property
    def input_shape(self) -> Any:  # noqa: ANN401 - a shape, or shapes by name
        """Shape of one input, or the shape of each entry by name."""
        return {name: form.shape for name, form in self.entries.items()} if self.entries else self.shape

    def example(self, rows: int) -> Inputs:
        """Return example inputs `(rows, *shape)`: normal numbers, zeros for the columns of a table, or sentences of one unknown word."""
        if self.entries:
            return {name: form.example(rows) for name, form in self.entries.items()}
        if self.values == "numbers":
            return torch.randn(rows, *self.shape, generator=torch.Generator().manual_seed(0), dtype=getattr(torch, self.dtype))
        inputs = torch.zeros(rows, *self.shape, dtype=getattr(torch, self.dtype))
        if self.values == "codes":
            inputs[..., 0] = 1
        return inputs

    def to_dict(self) -> dict[str, Any]:
        """Return the form as plain data."""
        plain = {"shape": list(self.shape), "tasks": list(self.tasks), "values": self.values, "dtype": self.dtype}
        return plain | ({"entries": {name: form.to_dict() for name, form in self.entries.items()}} if self.entries else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InputForm:
        """Create the form from the result of `to_dict`."""
        entries = {name: cls.from_dict(form) for name, form in data.get("entries", {}).items()}
        return cls(tuple(data["shape"]), tuple(data["tasks"]), data["values"], data["dtype"], entries)
