"""Inputs of a source: one array, or several arrays by name, such as an image and a table per row.

A type `array or mapping` would make everybody who has arrays narrow it first; inputs are therefore typed as `Any`, and these functions are
the only place that knows the two forms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data.memmap import is_memmap, take_rows
from polytask.errors import ConfigError, DataError, first_line
from polytask.registry.resolve import described

Inputs = Any
"""Inputs with one row per input: an array or a tensor (N, ...), a mapping of such from the names of entries, or a `RowReader`."""


class RowReader(ABC):
    """Inputs of rows that are read whenever they are needed, instead of being held in memory.

    Attributes:
        example: Inputs (1, ...) of the first row, in whose shape and type all others are.
    """

    example: Inputs

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def read(self, rows: NDArray[np.int64]) -> Inputs:
        """Return the inputs of rows as arrays."""

    @abstractmethod
    def take(self, rows: NDArray[np.int64]) -> RowReader:
        """Return a reader of the given rows only."""


def sample_of(inputs: Inputs) -> Inputs:
    """Return arrays of the shape and type of the inputs: the inputs, or the first row of those that are read when they are needed."""
    return inputs.example if isinstance(inputs, RowReader) else inputs


def select_tensors(inputs: Inputs, rows: Tensor) -> Inputs:
    """Return rows of inputs, which are tensors or a reader, as a copy in tensors on the device of the inputs.

    Args:
        inputs: Tensors, or a reader.
        rows: Indices (B,) of the rows, on the CPU.
    """
    if isinstance(inputs, RowReader):
        return map_entries(torch.from_numpy, inputs.read(rows.numpy()))
    return map_entries(lambda entry: entry.index_select(0, rows.to(entry.device, non_blocking=True)), inputs)


def map_entries(function: Callable[[Any], Any], inputs: Inputs) -> Inputs:
    """Apply a function to inputs in one array, or to each entry.

    Example:
        >>> map_entries(np.shape, np.zeros((2, 3))), map_entries(len, {"image": [1, 2], "table": [3, 4]})
        ((2, 3), {'image': 2, 'table': 2})
    """
    return {name: function(entry) for name, entry in inputs.items()} if isinstance(inputs, Mapping) else function(inputs)


def join_entries(function: Callable[[list[Any]], Any], parts: list[Inputs]) -> Inputs:
    """Join several inputs with a function of a list of arrays, entry by entry.

    Example:
        >>> join_entries(np.concatenate, [{"id": np.array([1])}, {"id": np.array([2])}])
        {'id': array([1, 2])}
    """
    if not isinstance(parts[0], Mapping):
        return function(parts)
    return {name: function([part[name] for part in parts]) for name in parts[0]}


def count_rows(inputs: Inputs) -> int:
    """Return the number of rows of inputs."""
    return len(next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs)


def input_shape(inputs: Inputs) -> Any:  # noqa: ANN401 - a shape, or shapes by name
    """Return the shape of one row, or that of each entry by name.

    Example:
        >>> input_shape(np.zeros((5, 3, 2))), input_shape({"image": np.zeros((5, 8, 8)), "id": np.zeros(5)})
        ((3, 2), {'image': (8, 8), 'id': ()})
    """
    return map_entries(lambda entry: tuple(int(side) for side in entry.shape[1:]), sample_of(inputs))


def take_inputs(inputs: Inputs, rows: NDArray[np.int64]) -> Inputs:
    """Return a copy of the given rows of inputs; of inputs that are read when they are needed, a reader of these rows."""
    if isinstance(inputs, RowReader):
        return inputs.take(rows)
    return map_entries(lambda entry: take_rows(entry, rows), inputs)


def are_mapped(inputs: Inputs) -> bool:
    """Return whether the inputs, or an entry of them, are memory-mapped."""
    return any(is_memmap(entry) for _, entry in named_entries(sample_of(inputs)))


def named_entries(inputs: Inputs) -> list[tuple[str, Any]]:
    """Return the arrays of inputs with the words that messages name them by: none for a single array."""
    return [(f", entry {name!r}", entry) for name, entry in inputs.items()] if isinstance(inputs, Mapping) else [("", inputs)]


def is_code(entry: Any) -> bool:  # noqa: ANN401 - an array
    """Return whether an entry holds codes, such as identifiers or words, which are integers of 64 bits and are not normalized."""
    return bool(entry.dtype == np.int64)


def padding_mask(inputs: Tensor, *, codes: bool) -> Tensor:
    """Return an (N, L) mask of the tokens that are padding, whose codes are 0, or of the steps that are missing, whose numbers are NaN.

    Args:
        inputs: Codes (N, L) or (N, L, ...), or numbers (N, L, C).
        codes: Whether the inputs are codes.

    Example:
        >>> padding_mask(torch.tensor([[7, 0]]), codes=True), padding_mask(torch.tensor([[[0.0], [torch.nan]]]), codes=False)
        (tensor([[False,  True]]), tensor([[False,  True]]))
    """
    absent = inputs.eq(0) if codes else inputs.isnan()
    return absent.flatten(2).all(dim=2) if absent.dim() > 2 else absent


def array_of(given: object) -> NDArray[Any]:
    """Return an array; of a tensor, its values, whatever its graph and its device.

    Example:
        >>> import torch
        >>> array_of(torch.ones(2, requires_grad=True))
        array([1., 1.], dtype=float32)
    """
    detach = getattr(given, "detach", None)
    return np.asarray(given if detach is None else detach().cpu())


def checked_inputs(given: object, where: str) -> Inputs:
    """Return the inputs of a source as an array or as a dict of arrays.

    Args:
        given: Whatever the user passes.
        where: Source that messages name.

    Raises:
        DataError: There is no entry, a name is not a text, something has no rows, or entries have different numbers of rows.

    Example:
        >>> checked_inputs({"image": np.zeros((2, 8)), "id": [1, 2, 3]}, "source 'toy'")
        Traceback (most recent call last):
        polytask.errors.DataError: source 'toy': all entries need the same number of rows (found image: 2, id: 3).
    """
    if isinstance(given, RowReader):
        return given
    if not isinstance(given, Mapping):
        array = array_of(given)
        if not array.ndim:
            raise DataError("inputs must have one row per input", where=where, found=repr(array.item()))
        return array
    if not given:
        raise DataError("inputs as a dict need at least one entry", where=where, remedy='Write inputs={"image": …, "table": …}')
    for name in given:
        if not isinstance(name, str) or not name:
            raise DataError("the name of an entry must be a text", where=f"{where}, inputs", found=described(name))
    inputs = {name: _entry_array(entry, f"{where}, entry {name!r}") for name, entry in given.items()}
    if len({len(entry) for entry in inputs.values()}) > 1:
        found = ", ".join(f"{name}: {len(entry)}" for name, entry in inputs.items())
        raise DataError("all entries need the same number of rows", where=where, found=found)
    return inputs


def _entry_array(entry: object, where: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.asarray(entry)
    except Exception as error:
        raise DataError("an entry must be an array", where=where, found=first_line(error)) from error
    if not array.ndim:
        raise DataError("an entry must have one row per input", where=where, found=described(entry))
    return array


def check_loading(transform: object, workers: object, where: str) -> None:
    """Check how the rows of a source are loaded.

    Raises:
        ConfigError: `transform` is neither a function nor `None`, or `workers` no number from 0 up.
    """
    if transform is not None and not callable(transform):
        remedy = "Write a function of a batch of inputs, such as def flip(images): …"
        raise ConfigError("a function of inputs is needed", where=f"{where}, transform", found=described(transform), remedy=remedy)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
        raise ConfigError("a number of at least 0 is needed", where=f"{where}, loader_workers", found=described(workers))
