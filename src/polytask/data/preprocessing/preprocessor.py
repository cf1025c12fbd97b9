"""Codings: what turns texts and tables into arrays of numbers that an encoder takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from polytask.errors import StorageError

Array = NDArray[Any]


class Preprocessor(ABC):
    """Learned once from the training source, kept with the model, and applied to whatever is to be predicted.

    It learns what there is, words and categories, and never a statistic of labels or numbers: those are of the training part alone.
    """

    kind: ClassVar[str]

    @abstractmethod
    def encode(self, raw: Any) -> Array:  # noqa: ANN401 - texts, or a table
        """Raw inputs as an array with a row per input."""

    def unknown_warning(self, raw: Any) -> str:  # noqa: ANN401 - texts, or a table
        """One line on what of the raw inputs training had not; by default nothing is said."""
        del raw
        return ""

    @abstractmethod
    def input_spec(self) -> Mapping[str, Any]:
        """What an encoder may ask to be told, by the names of its arguments."""

    @abstractmethod
    def numeric_columns(self, inputs: Array) -> tuple[int, ...] | None:
        """The columns of encoded inputs that are numbers, to be normalized; None where there is none at all."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain data, from which `preprocessor_from_dict` makes the same coding."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessor:
        """What `to_dict` described, but for its kind."""


def preprocessor_from_dict(data: Mapping[str, Any]) -> Preprocessor:
    """The coding that `Preprocessor.to_dict` described.

    Raises:
        StorageError: There is no such kind.
    """
    kinds = {kind.kind: kind for kind in Preprocessor.__subclasses__()}
    if data.get("kind") not in kinds:
        raise StorageError("inputs are coded in a way that is not known", where="coding", found=data.get("kind"))
    return kinds[data["kind"]].from_dict({name: value for name, value in data.items() if name != "kind"})
