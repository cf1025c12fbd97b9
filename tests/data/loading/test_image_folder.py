"""Folders of images with a table of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytask.data import Source
from polytask.data.input_entries import RowReader
from polytask.errors import PolytaskError

Image = pytest.importorskip("PIL.Image", reason="Pillow reads images")


def pixels(number: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, shape or (4, 6, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, one of which is in a folder of its own, and their table."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "more/c.png")):
        Image.fromarray(pixels(number)).save(tmp_path / "photos" / name)
    (tmp_path / "labels.csv").write_text("file,kind,age,patient\na.png,cat,3,p\nb.png,,4.5,q\nmore/c.png,dog,,p\n")
    return tmp_path


def read(folder: Path, **options: Any) -> Source:
    return Source.from_image_folder(folder / "labels.csv", folder / "photos", **{"path": "file", **options})


@pytest.mark.parametrize("lazy", [False, True])
def test_images_and_labels_are_those_of_the_files(folder: Path, lazy: bool) -> None:
    source = read(folder, lazy=lazy, groups="patient", loader_workers=0)
    inputs = source.inputs.read(np.arange(3)) if isinstance(source.inputs, RowReader) else source.inputs
    np.testing.assert_array_equal(inputs, np.stack([pixels(number).transpose(2, 0, 1) for number in range(3)]))
    assert source.name == "labels" and source.tasks == ("kind", "age")
    assert source.labels["kind"].tolist() == ["cat", None, "dog"]
    np.testing.assert_array_equal(source.labels["age"].astype(float), [3, 4.5, np.nan])
    assert source.units.tolist() == ["a.png", "b.png", "more/c.png"] and np.asarray(source.groups).tolist() == ["p", "q", "p"]


def test_gray_images_have_one_channel_and_sizes_are_changed_where_asked_for(folder: Path) -> None:
    assert read(folder, channels=1, labels="age").input_shape == (1, 4, 6)
    small = read(folder, size=(2, 3), labels={"years": "age"}, name="pets")
    assert small.input_shape == (3, 2, 3) and small.tasks == ("years",) and small.name == "pets"
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(folder / "photos" / "a.png")
    assert np.all(read(folder, size=5).inputs[0] == 7)  # a plain image stays plain


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_gray_values_of_more_than_8_bits_are_kept(folder: Path, dtype: str, channels: int | None) -> None:
    values = (np.arange(24).reshape(4, 6) * 2_500).astype(dtype)
    for name in ("a.tiff", "b.tiff"):
        Image.fromarray(values).save(folder / "photos" / name)
    (folder / "labels.csv").write_text("file,kind\na.tiff,cat\nb.tiff,dog\n")
    found = read(folder, channels=channels).inputs
    assert found.dtype == np.float32 and found.shape == (2, channels or 1, 4, 6) and np.all(found == values)
    assert read(folder, channels=channels, size=(2, 3)).inputs.max() > 255


def test_an_image_may_occur_twice(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,kind\na.png,cat\na.png,dog\n")
    assert read(folder).units.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,kind\n../labels.csv,x\n", r"labels.csv, column 'file', row 1: .*in the folder of images \(found '../labels.csv'\)"),
        ("file,kind\n/etc/passwd,x\n", "row 1: a path must lead to a file in the folder"),
        ("file,kind\nmore/link.png,x\n", "row 1: a path must lead to a file in the folder"),
        ("file,kind\na.png,x\nnone.png,x\n", "row 2: there is no such image"),
        ("file,kind\na.png,x\nmore,x\n", "row 2: there is no such image"),
        ("file,kind\na.png,x\n,x\n", "row 2: a path is needed .found none"),
        ("file,kind\na.png,x\nbroken.png,x\n", "broken.png: an image that cannot be read .found UnidentifiedImageError"),
        ("file,kind\na.png,x\ndrawn.eps,x\n", "drawn.eps: an image that cannot be read .found ValueError: PostScript is a program"),
        ("file,kind\na.png,x\ncut.png,x\n", "cut.png: an image that cannot be read .found OSError"),
        ("file,kind\na.png,x\nwide.png,x\n", r"image 'wide.png': all items must have the shape .*\(3, 4, 9\).*size=\(height, width\)"),
        ("file,kind\na.png,x\ngray.png,x\n", r"image 'gray.png': .*\(1, 4, 6\).*channels=1 or 3"),
    ],
)
def test_bad_paths_and_files_are_named_in_one_line(folder: Path, table: str, message: str) -> None:
    photos = folder / "photos"
    (photos / "more" / "link.png").symlink_to(folder / "labels.csv")
    (photos / "broken.png").write_text("no image")
    Image.fromarray(pixels(0)).save(photos / "drawn.eps")
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:60])
    Image.fromarray(pixels(0, 4, 9, 3)).save(photos / "wide.png")
    Image.fromarray(pixels(0, 4, 6)).save(photos / "gray.png")
    (folder / "labels.csv").write_text(table)
    with pytest.raises(PolytaskError, match=message) as error:
        read(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "fil"}, "no such column"),
        ({"labels": "kid"}, "labels: there is no such column .found 'kid'.*kind"),
        ({"groups": "patent"}, "groups: there is no such column .found 'patent'.*patient"),
        ({"size": (0, 3)}, "size: a height and a width are needed"),
        ({"channels": 4}, "channels: 1, 3 or None is needed .found 4"),
        ({"images": "nowhere"}, "images: there is no such folder .found 'nowhere'"),
    ],
)
def test_options_are_checked(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PolytaskError, match=message) as error:
        Source.from_image_folder(folder / "labels.csv", **{"images": folder / "photos", "path": "file", **options})
    assert "\n" not in str(error.value)
