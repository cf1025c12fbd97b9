"""Sources from a folder of image files and a table that names them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from polytask.data.loading.dataset_items import image_array, is_deep
from polytask.data.loading.dataset_source import source_from_dataset
from polytask.data.reading import read_table
from polytask.data.source import Source
from polytask.errors import ConfigError, DataError, MissingExtraError, first_line, shown
from polytask.options import ReadingOptions
from polytask.registry.resolve import described
from polytask.registry.suggestion import nearest

MODES = {None: None, 1: "L", 3: "RGB"}
"""Modes of Pillow by the number of channels."""

COLUMN_FIELDS = ("units", "held_out", "groups")
"""Attributes of a source that may be columns of the table."""


@dataclass(frozen=True)
class ImageFiles:
    """Map-style data set of image files, as bytes (channels, height, width), or float32 for gray values of more than 8 bits.

    Attributes:
        folder: Folder of the images.
        names: Path of each image in the folder.
        size: Height and width to which images are resized; `None` keeps those of the files.
        channels: 1 for gray images, 3 for colors; `None` keeps those of the files.
    """

    folder: Path
    names: tuple[str, ...]
    size: tuple[int, int] | None = None
    channels: int | None = None

    form_remedy: ClassVar[str] = "Give size=(height, width), which resizes, or channels=1 or 3, which converts"

    def __len__(self) -> int:
        return len(self.names)

    def item_name(self, index: int) -> str:
        """Return the words that messages name an item by."""
        return f"image {self.names[index]!r}"

    def __getitem__(self, index: int) -> tuple[NDArray[Any]]:
        """Return an image, as the only part of the item.

        Raises:
            DataError: The file is no image that Pillow reads.
        """
        from PIL import Image

        path = self.folder / self.names[index]
        try:
            with Image.open(path) as image:
                _check_format(image.format)
                mode = "F" if is_deep(image) else MODES[self.channels]
                plain = image if mode is None else image.convert(mode)
                if self.size is not None:
                    plain = plain.resize((self.size[1], self.size[0]), Image.Resampling.BILINEAR)
                array = image_array(plain)
                return (np.repeat(array, 3, axis=0) if self.channels == 3 and len(array) == 1 else array,)
        except Exception as error:
            raise DataError("an image that cannot be read", where=str(path), found=first_line(error)) from error


def _check_format(name: str | None) -> None:
    """Refuse images that are programs: Pillow reads PostScript by running Ghostscript on the file."""
    if name == "EPS":
        raise ValueError("PostScript is a program; convert the file to PNG")


def source_from_image_folder(
    table: str | os.PathLike[str],
    images: str | os.PathLike[str] | None,
    path: str,
    labels: str | Sequence[str] | Mapping[str, str] | None,
    files: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Source:
    """Create a source from image files; see `Source.from_image_folder`.

    Args:
        table: File of the table.
        images: Folder of the images.
        path: Column of paths.
        labels: Columns of labels.
        files: Attributes of `ImageFiles`: `size` and `channels`.
        options: Options of `Source.from_dataset`, and `name`.
    """
    if find_spec("PIL") is None:
        raise MissingExtraError("Pillow is needed to read images", where="from_image_folder", remedy="pip install 'polytask[images]'")
    file = Path(table)
    frame = read_table(file, ReadingOptions(categorical=(path,)))
    folder = file.parent if images is None else Path(images)
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where="images", found=shown(folder))
    names = _checked_paths(_column(frame, path, "path"), folder, f"{file.name}, column {path!r}")
    chosen = {"name": file.name.partition(".")[0], "lazy": False, "loader_workers": 0, "units": _unique(names), **options}
    given: dict[str, Any] = {
        name: _column(frame, value, name) if name in COLUMN_FIELDS and isinstance(value, str) else value for name, value in chosen.items()
    }
    name, lazy = given.pop("name"), given.pop("lazy")
    dataset = ImageFiles(folder, tuple(names), _checked_size(files["size"]), _checked_channels(files["channels"]))
    used = (path, *(value for key, value in chosen.items() if key in COLUMN_FIELDS and isinstance(value, str)))
    columns = _label_columns(labels, [column for column in frame.columns if column not in used])
    known = {task: _column(frame, column, "labels") for task, column in columns.items()}
    return source_from_dataset(name, dataset, None, known, lazy, {key: value for key, value in given.items() if value is not None})


def _column(frame: pd.DataFrame, column: str, where: str) -> NDArray[Any]:
    """Return a column of the table, with None for empty cells of texts.

    Raises:
        ConfigError: There is none of this name.
    """
    if column not in frame.columns:
        raise ConfigError("there is no such column", where=where, found=shown(column), remedy=nearest(str(column), tuple(frame.columns)))
    values = frame[column]
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_extension_array_dtype(values.dtype):
        return values.to_numpy()
    return values.astype(object).where(values.notna(), None).to_numpy()


def _label_columns(labels: str | Sequence[str] | Mapping[str, str] | None, others: Sequence[str]) -> dict[str, str]:
    if labels is None:
        return {column: column for column in others}
    if isinstance(labels, str):
        return {labels: labels}
    return dict(labels) if isinstance(labels, Mapping) else {column: column for column in labels}


def _checked_paths(cells: NDArray[Any], folder: Path, where: str) -> list[str]:
    """Return the paths in the folder.

    Raises:
        DataError: A path is missing, leads out of the folder, or is no file; the message names the row.
    """
    top = folder.resolve()
    for row, cell in enumerate(cells, start=1):
        place = f"{where}, row {row}"
        if not isinstance(cell, str) or not cell:
            raise DataError("a path is needed", where=place, found="none" if cell is None else described(cell))
        resolved = (top / cell).resolve()
        if not resolved.is_relative_to(top):
            raise DataError("a path must lead to a file in the folder of images", where=place, found=shown(cell))
        if not resolved.is_file():
            raise DataError("there is no such image", where=place, found=shown(cell), remedy=f"The folder is {folder}")
    return [str(cell) for cell in cells]


def _unique(names: Sequence[str]) -> NDArray[Any] | None:
    """Return the paths as the units of predictions, unless one occurs twice."""
    return np.array(names, dtype=object) if len(set(names)) == len(names) else None


def _checked_size(size: object) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else size
    if not isinstance(sides, tuple | list) or len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ConfigError("a height and a width are needed", where="size", found=described(size), remedy="For example size=(64, 64)")
    return sides[0], sides[1]


def _checked_channels(channels: object) -> int | None:
    if channels not in MODES:
        raise ConfigError("1, 3 or None is needed", where="channels", found=described(channels))
    return channels if isinstance(channels, int) else None
