"""Schema and checks of the values of a stored network, so that a file that was edited is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictStr, ValidationError, model_validator
from torch import Tensor

from polytask.data import TablePreprocessor
from polytask.errors import PolytaskError, StorageError, first_line, is_out_of_memory, shown

MOST_INPUTS = 2**26
"""Largest number of values of one input."""
MOST_LAYERS = 1_000
"""Largest number of layers of a head, each of which is built on its own."""
REMEDY = "Train the model again, or restore the file"

Name = Annotated[StrictStr, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StoredNormalization(_Section):
    """Normalization of the inputs of a source: means and deviations of equal length, or those of several entries."""

    mean: tuple[FiniteFloat, ...] = ()
    deviation: tuple[Annotated[FiniteFloat, Field(gt=0)], ...] = ()
    entries: dict[Name, StoredNormalization] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _equal_lengths(self) -> StoredNormalization:
        if len(self.mean) != len(self.deviation):
            raise ValueError("mean and deviation must have the same length")
        return self

    def fits(self, shape: object) -> bool:
        """Return whether the numbers are none, one, or one for each channel or feature of inputs of a shape."""
        if isinstance(shape, Mapping):
            return not self.entries or all(name in shape and own.fits(shape[name]) for name, own in self.entries.items())
        if not isinstance(shape, tuple):
            return True
        channels = shape[-1] if len(shape) == 2 else shape[0] if shape else 1
        return not self.entries and len(self.mean) in (0, 1, channels)


class StoredTask(_Section):
    """Name and kind of a task; the class of the kind checks the rest."""

    name: Name
    kind: Name


class StoredPrecision(_Section):
    """Precision of the forward pass."""

    name: Literal["float32", "bfloat16", "float16", "float64"]
    channels_last: StrictBool


class StoredPlan(_Section):
    """What is needed of a plan before a network is built from it."""

    hidden: Annotated[tuple[int, ...], Field(max_length=MOST_LAYERS)] = ()
    input_shape: tuple[Annotated[int, Field(ge=0)], ...] | None = None

    @model_validator(mode="after")
    def _size(self) -> StoredPlan:
        if self.input_shape is not None and prod(self.input_shape) > MOST_INPUTS:
            raise ValueError(f"an input may have at most {MOST_INPUTS} values")
        return self


class StoredNetwork(_Section):
    """Values of a stored network."""

    plan: dict[str, Any]
    tasks: Annotated[tuple[StoredTask, ...], Field(min_length=1)]
    normalizations: dict[Name, StoredNormalization]
    precision: StoredPrecision
    facts: dict[str, Any]
    codings: dict[Name, dict[str, Any]]
    weights: dict[str, Any]
    fingerprint: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> StoredNetwork:
        StoredPlan.model_validate(self.plan)
        if len({task.name for task in self.tasks}) < len(self.tasks):
            raise ValueError("every task must have a name of its own")
        if not all(isinstance(value, Tensor) for value in self.weights.values()):
            raise ValueError("weights must be tensors")
        if unknown := self.codings.keys() - self.normalizations.keys():
            raise ValueError(f"a source without a normalization: {min(unknown)}")
        return self


@contextmanager
def stored_network_errors(folder: Path) -> Iterator[None]:
    """Turn every error that the content of a folder causes in the block into a `StorageError` of one line.

    Use it only where nothing but the content of the folder decides what happens.

    Args:
        folder: Folder of the network.

    Raises:
        StorageError: An error was raised that is neither an error of polytask nor a lack of memory.
    """
    try:
        yield
    except PolytaskError:
        raise
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ", ".join(filter(None, [str(folder), ".".join(map(str, first["loc"]))]))
        raise StorageError(
            f"the stored network is invalid: {first['msg'].lower()}", where=place, found=shown(first["input"]), remedy=REMEDY
        ) from None
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise StorageError("the stored network is invalid", where=str(folder), found=first_line(error), remedy=REMEDY) from error


def one_input(coding: object, shape: object) -> Any:  # noqa: ANN401 - inputs of any form
    """Return one input of a source, to try a network with; `None` if there is no simple one.

    Args:
        coding: Preprocessor of the source; `None` for arrays.
        shape: Shape of one input.
    """
    if isinstance(coding, TablePreprocessor):
        return pd.DataFrame({name: [None] for name in coding.names})
    if coding is not None:
        return [""]
    return np.zeros((1, *shape), dtype=np.float32) if isinstance(shape, tuple) else None
