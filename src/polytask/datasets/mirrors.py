"""Where the full data come from, and how to know that they are the right ones.

Checksums are of the unpacked content, since publishers pack the same content in different ways.
"""

from __future__ import annotations

from dataclasses import dataclass

MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FASHION_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        folder: Of the data set.
        name: Of the unpacked file; packed it ends in .gz.
        bytes: Of the unpacked content.
        sha256: Of the unpacked content.
        md5: Of the unpacked content: what publishers print.
        mirrors: Addresses of folders that have the packed file, the first choice first.
    """

    folder: str
    name: str
    bytes: int
    sha256: str
    md5: str
    mirrors: tuple[str, ...]

    @property
    def packed(self) -> str:
        """The name under which mirrors and the cache keep it."""
        return f"{self.name}.gz"


_TABLE = """
mnist          train-images-idx3-ubyte 47040016 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db 6bbc9ace898e44ae57da46a324031adb
mnist          train-labels-idx1-ubyte    60008 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 a25bea736e30d166cdddb491f175f624
mnist          t10k-images-idx3-ubyte   7840016 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 2646ac647ad5339dbf082846283269ea
mnist          t10k-labels-idx1-ubyte     10008 ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 27ae3e4e09519cfbb04c329615203637
fashion-mnist  train-images-idx3-ubyte 47040016 c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 f4a8712d7a061bf5bd6d2ca38dc4d50a
fashion-mnist  train-labels-idx1-ubyte    60008 bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 9018921c3c673c538a1fc5bad174d6f9
fashion-mnist  t10k-images-idx3-ubyte   7840016 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b 8181f5470baa50b63fa0f6fddb340f0a
fashion-mnist  t10k-labels-idx1-ubyte     10008 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 15d484375f8d13e6eb1aabb0c3f46965
"""  # noqa: E501 - a table

_MIRRORS = {"mnist": MNIST_MIRRORS, "fashion-mnist": FASHION_MIRRORS}


def _rows() -> tuple[RemoteFile, ...]:
    cells = (line.split() for line in _TABLE.strip().splitlines())
    return tuple(RemoteFile(folder, name, int(size), sha256, md5, _MIRRORS[folder]) for folder, name, size, sha256, md5 in cells)


FILES = _rows()


def file_of(folder: str, name: str) -> RemoteFile:
    """The row of one file.

    Example:
        >>> file_of("mnist", "t10k-labels-idx1-ubyte").bytes
        10008
    """
    return next(file for file in FILES if (file.folder, file.name) == (folder, name))
