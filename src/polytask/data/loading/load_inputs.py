"""Inputs of a training batch: rows are read and transformed, in whichever process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polytask.data.input_entries import Inputs, RowReader, join_entries, select_tensors
from polytask.data.loading.read_ahead import ReadAhead, seeded_randomness
from polytask.data.memmap import row_slices
from polytask.errors import ConfigError, PolytaskError, first_line

ROWS_PER_REQUEST = 125
"""Number of rows that a worker reads at a time where many are needed."""


class LoadRequest(NamedTuple):
    """Rows to load.

    Attributes:
        rows: Numbers of the rows.
        seed: Seed of the random numbers of reading and transforming them.
    """

    rows: NDArray[np.int64]
    seed: int


@dataclass(frozen=True, eq=False)
class LoadInputs:
    """Function that loads the inputs of rows as tensors.

    Attributes:
        inputs: Inputs of all rows: tensors, or a reader.
        transform: Function that changes them; `None` changes nothing.
        where: Source that messages name.
    """

    inputs: Inputs
    transform: Callable[..., Any] | None
    where: str

    def __call__(self, request: LoadRequest) -> Inputs:
        """Return the inputs of the rows, transformed with random numbers that depend on the seed alone.

        Raises:
            DataError: A row cannot be read.
            ConfigError: The transform fails, or returns something else than inputs of the same shape.
        """
        with seeded_randomness(request.seed):
            inputs = select_tensors(self.inputs, torch.from_numpy(request.rows))
            return inputs if self.transform is None else transformed(self.transform, inputs, request.seed, f"{self.where}, transform")


def load_ahead(reader: RowReader, parts: Sequence[NDArray[np.int64]], workers: int, where: str) -> Iterator[Inputs]:
    """Yield the inputs of several sets of rows as tensors; workers read them ahead in pieces of `ROWS_PER_REQUEST`.

    Args:
        reader: Reader of the rows.
        parts: Numbers of the rows of each set.
        workers: Number of worker processes.
        where: Source that messages name.
    """
    pieces = [[LoadRequest(rows[part], 0) for part in row_slices(len(rows), ROWS_PER_REQUEST)] or [LoadRequest(rows, 0)] for rows in parts]
    found = ReadAhead(LoadInputs(reader, None, where), workers).calls(request for requests in pieces for request in requests)
    for requests in pieces:
        yield join_entries(torch.cat, [next(found) for _ in requests])


def transformed(transform: Callable[..., Any], inputs: Inputs, seed: int, where: str) -> Inputs:
    """Return the result of a user's function of inputs, checked.

    Args:
        transform: Function of inputs and, if it has an argument of this name, of a `generator`.
        inputs: Tensor or tensors by name, with one row per input; the function may change them in place.
        seed: Seed of the generator.
        where: Place that messages name.

    Raises:
        ConfigError: The function fails, or returns something else than inputs of the same shape.

    Example:
        >>> transformed(lambda x: x.flip(1), torch.tensor([[1, 2]]), 0, "transform")
        tensor([[2, 1]])
    """
    forms = _forms(inputs)
    told = {"generator": torch.Generator().manual_seed(seed)} if _takes_generator(transform) else {}
    try:
        with torch.no_grad():
            found = transform(inputs, **told)
    except PolytaskError:
        raise
    except Exception as error:
        raise ConfigError("the transform fails", where=where, found=first_line(error)) from error
    if isinstance(inputs, Mapping) != isinstance(found, Mapping) or (isinstance(inputs, Mapping) and found.keys() != inputs.keys()):
        wanted = f"a dict with the entries {', '.join(inputs)}" if isinstance(inputs, Mapping) else "a tensor"
        shown = f"entries {', '.join(map(str, found))}" if isinstance(found, Mapping) else type(found).__name__
        raise ConfigError(f"the transform must return {wanted}", where=where, found=shown)
    if isinstance(inputs, Mapping):
        return {name: _checked(found[name], *forms[name], f"{where}, entry {name!r}") for name in inputs}
    return _checked(found, *forms[""], where)


def _forms(inputs: Inputs) -> dict[str, tuple[torch.Size, torch.dtype]]:
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    return {name: (entry.shape, entry.dtype) for name, entry in named.items()}


def _checked(found: object, shape: torch.Size, dtype: torch.dtype, where: str) -> Tensor:
    if isinstance(found, np.ndarray):
        found = torch.from_numpy(np.ascontiguousarray(found))
    if not isinstance(found, Tensor):
        raise ConfigError("the transform must return a tensor", where=where, found=type(found).__name__)
    if found.shape != shape:
        raise ConfigError(f"the transform must keep the shape {tuple(shape)}", where=where, found=tuple(found.shape))
    if found.dtype != dtype and (dtype == torch.int64 or not found.is_floating_point()):
        remedy = "Convert the result back" + ("" if dtype == torch.int64 else ", or to float32")
        raise ConfigError(f"the transform must keep the type {dtype}", where=where, found=found.dtype, remedy=remedy)
    return found


def _takes_generator(transform: Callable[..., Any]) -> bool:
    try:
        return "generator" in inspect.signature(transform).parameters
    except (TypeError, ValueError):  # a function without a signature, such as one written in C
        return False
