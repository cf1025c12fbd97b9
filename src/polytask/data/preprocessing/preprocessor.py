"""Base class of preprocessors, which convert texts and tables to numeric arrays for an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from polytask.errors import StorageError

Array = NDArray[Any]


class Preprocessor(ABC):
    """Base class of preprocessors, which are fitted on the training source, saved with the model, and applied to new data.

    A preprocessor learns vocabularies and categories. It never learns statistics of labels or numbers, since those must come from the
    training part alone.

    Attributes:
        kind: Name of the class in saved files.
    """

    kind: ClassVar[str]

    @abstractmethod
    def encode(self, raw: Any) -> Array:  # noqa: ANN401 - texts, or a table
        """Convert raw inputs to an array with one row per input."""

    def unknown_warning(self, raw: Any) -> str:  # noqa: ANN401 - texts, or a table
        """Return a one-line warning about raw inputs that did not occur in training; empty if there are none, which is the default."""
        del raw
        return ""

    @abstractmethod
    def input_spec(self) -> Mapping[str, Any]:
        """Return properties of the encoded inputs that an encoder may need, by the names of the encoder's arguments."""

    @abstractmethod
    def numeric_columns(self, inputs: Array) -> tuple[int, ...] | None:
        """Return the indices of the columns of encoded inputs that must be normalized; `None` if inputs are codes only."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the preprocessor as JSON-compatible data, for `preprocessor_from_dict`."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessor:
        """Create a preprocessor from the output of `to_dict` without its entry `kind`."""


def preprocessor_from_dict(data: Mapping[str, Any]) -> Preprocessor:
    """Create a preprocessor from the output of `Preprocessor.to_dict`.

    Raises:
        StorageError: The kind is not known.
    """
    kinds = {kind.kind: kind for kind in Preprocessor.__subclasses__()}
    if data.get("kind") not in kinds:
        raise StorageError("this kind of preprocessor is not known", where="preprocessor", found=data.get("kind"))
    return kinds[data["kind"]].from_dict({name: value for name, value in data.items() if name != "kind"})
