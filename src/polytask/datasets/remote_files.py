"""Addresses and checksums of the files of the full data sets.

Checksums are those of the decompressed content, since publishers compress the same content differently.
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
    """Downloadable file of a data set.

    Attributes:
        folder: Folder of the data set.
        name: Name of the decompressed file; the compressed file has the suffix .gz.
        bytes: Size of the decompressed content in bytes.
        sha256: SHA-256 of the decompressed content.
        md5: MD5 of the decompressed content, as printed by publishers.
        mirrors: Addresses of folders with the compressed file, in order of preference.
    """

    folder: str
    name: str
    bytes: int
    sha256: str
    md5: str
    mirrors: tuple[str, ...]

    @property
    def packed(self) -> str:
        """Name of the compressed file on mirrors and in the cache."""
        return f"{self.name}.gz"


_CHECKSUMS = """
mnist          train-images-idx3-ubyte 47040016 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db 6bbc9ace898e44ae57da46a324031adb
mnist          train-labels-idx1-ubyte    60008 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 a25bea736e30d166cdddb491f175f624
mnist          t10k-images-idx3-ubyte   7840016 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 2646ac647ad5339dbf082846283269ea
mnist          t10k-labels-idx1-ubyte     10008 ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 27ae3e4e09519cfbb04c329615203637
fashion-mnist  train-images-idx3-ubyte 47040016 c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 f4a8712d7a061bf5bd6d2ca38dc4d50a
fashion-mnist  train-labels-idx1-ubyte    60008 bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 9018921c3c673c538a1fc5bad174d6f9
fashion-mnist  t10k-images-idx3-ubyte   7840016 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b 8181f5470baa50b63fa0f6fddb340f0a
fashion-mnist  t10k-labels-idx1-ubyte     10008 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 15d484375f8d13e6eb1aabb0c3f46965
census-income  census-income-train.csv 103874469 3676a81db7d3528f3f8b9f3c699d0f0aa28db45e6e994fa0b8ed38327539ee86 887f4dc410a99bc332bddbb0a4195b88
census-income  census-income-test.csv  51918813 98402b1ab879573d0a7f38a699a40258080e25e33d3401e7bf9c96d3fa0fab8c b82952d217858365c8e597827e3e5468
atis           train.seq.in              289848 3a670980841b21ab39088b2595efc17d487cdc45769c075a3e5f9458bba28c7f 28b26b5c417b042a89d7f5e6dd510990
atis           train.seq.out             415557 14c7131bd66562f797dbd7189bc7358f0cf354c6afb0785a9ab973c35b58f34c 4d65746ef7fcd1b3aba1fdbf63759f48
atis           train.label                57831 d0a771547665eecbdf9f96ea015ef07d1f6ee9f063e861020dafabb3c2a04377 d12b88b8f258ab8d24dd0f2f498d8e59
atis           dev.seq.in                 32761 c7435b96e7948393608c34819628e863c5338f11ca68e8f896d2cc041d8e17f8 895013a95c8c09c3bb1b8878017eab90
atis           dev.seq.out                47763 83ccff3e36f83a993f8e5b5b82adf3256076f234abda4d784051381d7ac76922 372c25af9f070b2e32863058cfba7496
atis           dev.label                   6518 06957cfe6fdffac84f8280bc3a1f8ca85c85631b363817aa4543aac611f8addf 5addf865b0e2f223ef60766d0e2ed751
atis           test.seq.in                52122 4b2119fc59c37f9398c6605db435d4f467505009e6ee3e5af04fed09f39dc397 4a4ff4150cacc62fce6e235bb1c53cb5
atis           test.seq.out               81238 a4690d6bceadc06876d1ff99bc401744aa981cb321e598ae12a3859d7be53254 9f3cbd1f303411c6a11f04bf182ef6d2
atis           test.label                 11634 ce4bfe6590d9498e1078f30b4137d3e8b3e94277b444b26360c0bf2e9e282761 9cddcfbd8ff7026952d953dbe08e9e62
"""  # noqa: E501 - a table

_MIRRORS = {"mnist": MNIST_MIRRORS, "fashion-mnist": FASHION_MIRRORS}
"""Mirrors of each folder; files of other folders are not available in this form, so they are only searched for locally."""


def _rows() -> tuple[RemoteFile, ...]:
    cells = (line.split() for line in _CHECKSUMS.strip().splitlines())
    return tuple(RemoteFile(folder, name, int(size), sha256, md5, _MIRRORS.get(folder, ())) for folder, name, size, sha256, md5 in cells)


REMOTE_FILES = _rows()


def remote_files_in(*folders: str) -> tuple[RemoteFile, ...]:
    """Return the files of the given folders.

    Example:
        >>> len(remote_files_in("mnist"))
        4
    """
    return tuple(file for file in REMOTE_FILES if file.folder in folders)


def find_remote_file(folder: str, name: str) -> RemoteFile:
    """Return the entry of one file.

    Example:
        >>> find_remote_file("mnist", "t10k-labels-idx1-ubyte").bytes
        10008
    """
    return next(file for file in REMOTE_FILES if (file.folder, file.name) == (folder, name))
