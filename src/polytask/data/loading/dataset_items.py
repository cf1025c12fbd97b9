"""Items of a map-style data set as inputs and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polytask.data.input_entries import Inputs, input_shape, join_entries, map_entries, named_entries
from polytask.errors import ConfigError, DataError, PolytaskError, first_line
from polytask.registry.resolve import described

Columns = str | Sequence[str] | Mapping[str, str]
"""Column of the inputs in one array, or columns of entries: their names, or a mapping to them from the names of entries."""


FORM_REMEDY = "Resize or pad in the data set"


@dataclass(frozen=True, eq=False)
class DatasetItems:
    """Items of a map-style data set: what is input and what is label in them.

    Attributes:
        dataset: Data set with `len` and items by integers from 0; its `item_name(index)` and `form_remedy` go into messages if it has them.
        where: Source that messages name.
        inputs: Columns of the inputs, for items that are dicts; `None` for items that are tuples, whose first part is the input.
        labels: Names of the tasks, mapped to the columns of their labels; `None` takes the names from items with a dict of labels.
    """

    dataset: Any
    where: str
    inputs: str | Mapping[str, str] | None
    labels: Mapping[str, str] | None

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, indices: Sequence[int]) -> list[tuple[Inputs, dict[str, Any]]]:
        """Return the inputs (arrays without an axis for rows) and the labels by task of some items.

        Args:
            indices: Indices of the items.

        Raises:
            DataError: Reading an item fails, or it has another form than declared; the message names its index.
        """
        return [self._parts(item, index) for index, item in zip(indices, self._items(indices), strict=True)]

    def _items(self, indices: Sequence[int]) -> list[Any]:
        together = getattr(self.dataset, "__getitems__", None)
        if together is not None:
            try:
                return list(together(list(indices)))
            except Exception:  # noqa: BLE001, S110 - reading one by one tells which item it is
                pass
        return [self._item(index) for index in indices]

    def _item(self, index: int) -> Any:  # noqa: ANN401 - whatever a data set holds
        try:
            return self.dataset[index]
        except PolytaskError:
            raise
        except Exception as error:
            raise DataError("reading an item fails", where=self._place(index), found=first_line(error)) from error

    def _place(self, index: int) -> str:
        named = getattr(self.dataset, "item_name", "index {}".format)
        return f"{self.where}, {named(index)}"

    def _parts(self, item: Any, index: int) -> tuple[Inputs, dict[str, Any]]:  # noqa: ANN401 - whatever a data set holds
        if isinstance(item, Mapping):
            return self._parts_of_columns(item, index)
        if self.inputs is not None:
            raise DataError("items with columns are needed", where=self._place(index), found=described(item), remedy="Leave inputs out")
        if not isinstance(item, tuple | list) or not item:
            raise DataError("an item must be (input, label) or a dict of columns", where=self._place(index), found=described(item))
        values = map_entries(lambda value: self._array(value, index), item[0])
        return values, self._parts_of_labels(item[1:], index)

    def _parts_of_columns(self, item: Mapping[str, Any], index: int) -> tuple[Inputs, dict[str, Any]]:
        if self.inputs is None:
            found, remedy = ", ".join(map(str, item)), 'For example inputs="image", labels=["digit"]'
            raise ConfigError("the columns of inputs must be named", where=self.where, found=f"columns {found}", remedy=remedy)
        columns = {"": self.inputs} if isinstance(self.inputs, str) else self.inputs
        entries = {name: self._array(self._column(item, column, index), index) for name, column in columns.items()}
        labels = {task: plain_label(self._column(item, column, index)) for task, column in (self.labels or {}).items()}
        return entries[""] if isinstance(self.inputs, str) else entries, labels

    def _column(self, item: Mapping[str, Any], column: str, index: int) -> Any:  # noqa: ANN401 - whatever a column holds
        if column not in item:
            found = f"columns {', '.join(map(str, item))}"
            raise DataError("the item has no such column", where=f"{self._place(index)}, {column!r}", found=found)
        return item[column]

    def _parts_of_labels(self, given: Sequence[Any], index: int) -> dict[str, Any]:
        if len(given) == 1 and isinstance(given[0], Mapping):
            wanted = {task: task for task in given[0]} if self.labels is None else self.labels
            return {task: plain_label(self._column(given[0], column, index)) for task, column in wanted.items()}
        if self.labels is None:
            raise ConfigError("the labels must be named", where=self.where, remedy='For example labels=["digit"], in the order of the item')
        if not self.labels:
            return {}
        values = list(given[0]) if len(given) == 1 and len(self.labels) > 1 and np.ndim(given[0]) == 1 else list(given)
        if len(values) != len(self.labels):
            what = f"an item must have one label for each of {', '.join(self.labels)}"
            raise DataError(what, where=self._place(index), found=f"{len(values)} labels")
        return {task: plain_label(value) for task, value in zip(self.labels, values, strict=True)}

    def _array(self, value: Any, index: int) -> NDArray[Any]:  # noqa: ANN401 - whatever a data set holds
        try:
            array: NDArray[Any] = image_array(value) if hasattr(value, "getbands") else np.asarray(value)
        except Exception as error:
            raise DataError("an input must be an array", where=self._place(index), found=first_line(error)) from error
        if array.dtype.kind not in "fiub":
            raise DataError("an input must be an array of numbers", where=self._place(index), found=described(value))
        return array

    def stacked(self, read: Sequence[Inputs], example: Inputs, indices: Sequence[int]) -> Inputs:
        """Return inputs of items as arrays with one row each.

        Args:
            read: Inputs of items.
            example: Inputs (1, ...) of the first item of the data set, in whose shape and type all others must be.
            indices: Indices of the items.

        Raises:
            DataError: An item has another shape or type than the first one, or a number is not finite.
        """
        form = _form(example)
        for index, own in zip(indices, read, strict=True):
            found = _form(map_entries(lambda array: array[None], own))
            if found != form:
                what = f"all items must have the shape and type of the first one, {_shown(form)}"
                raise DataError(
                    what, where=self._place(index), found=_shown(found), remedy=getattr(self.dataset, "form_remedy", FORM_REMEDY)
                )
        whole = join_entries(np.stack, list(read))
        for entry, array in named_entries(whole):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                row = int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])
                raise DataError("inputs must be finite numbers", where=f"{self._place(indices[row])}{entry}", found="NaN or infinity")
        return whole


def _form(inputs: Inputs) -> dict[str, tuple[tuple[int, ...], str]]:
    return {entry: (input_shape(array), str(array.dtype)) for entry, array in named_entries(inputs)}


def _shown(form: Mapping[str, tuple[tuple[int, ...], str]]) -> str:
    return "; ".join(f"{shape} {dtype}{entry}" for entry, (shape, dtype) in form.items())


def is_deep(image: Any) -> bool:  # noqa: ANN401 - an image of Pillow, which is optional
    """Return whether a Pillow image has gray values of more than 8 bits, which Pillow cuts off at 255 when it converts them to bytes."""
    return bool(image.mode == "F" or image.mode.startswith("I"))


def image_array(image: Any) -> NDArray[Any]:  # noqa: ANN401 - an image of Pillow, which is optional
    """Return a Pillow image as an array (channels, height, width): one channel for gray images, three for others.

    Values are bytes, or float32 for gray values of more than 8 bits, which are kept as they are.
    """
    gray = ("1", "L", "LA")
    mode = "F" if is_deep(image) else "L" if image.mode in gray else "RGB"
    array: NDArray[Any] = np.asarray(image if image.mode == mode else image.convert(mode))
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def plain_label(label: Any) -> Any:  # noqa: ANN401 - whatever a data set holds
    """Return a label without its tensor or array, if it is a single value.

    Example:
        >>> plain_label(torch.tensor(3)), plain_label(np.float32(0.5)), plain_label("cat"), plain_label(None)
        (3, 0.5, 'cat', None)
    """
    if isinstance(label, torch.Tensor | np.generic | np.ndarray):
        return label.item() if label.ndim == 0 else np.asarray(label)
    return label


def label_array(labels: Sequence[Any]) -> NDArray[Any]:
    """Return labels of a task as an array; objects if some are texts or missing.

    Example:
        >>> label_array([1, 2]).dtype, label_array([1, None]).tolist(), label_array([0.5, None]).tolist()
        (dtype('int64'), [1, None], [0.5, nan])
    """
    if any(label is None for label in labels) and all(label is None or isinstance(label, float) for label in labels):
        return np.array([np.nan if label is None else label for label in labels])
    plain = all(isinstance(label, bool | int | float) for label in labels)
    if plain or (all(isinstance(label, np.ndarray) for label in labels) and len({label.shape for label in labels}) == 1):
        return np.asarray(labels)
    found = np.empty(len(labels), dtype=object)
    found[:] = [label if not isinstance(label, np.ndarray) else label.tolist() for label in labels]
    return found
