"""Public sets of images by name: MNIST, Fashion-MNIST and CIFAR-10, each split into train and test by its authors.

They are looked for on this machine, then downloaded; ``fetching`` verifies their content. CIFAR-10 is read in its
binary version: a tar archive of records of one label byte and 3 x 32 x 32 bytes of pixels, the red plane first. Its
members are read by their expected names; nothing is extracted.
"""

import gzip
import io
import os
import tarfile
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from nnzoo.data.fetching import TIMEOUT_S, Opener, PublicFile, Search, Unusable, cache_folder
from nnzoo.data.idx import idx_array
from nnzoo.data.imagearrays import join_parts
from nnzoo.data.images import ImageTable
from nnzoo.data.splits import TEST, TRAIN
from nnzoo.errors import DataError, UsageError, nearest, quote
from nnzoo.files import shown

CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_MEMBERS = {
    TRAIN: [f"{CIFAR_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)],
    TEST: [f"{CIFAR_FOLDER}/test_batch.bin"],
}
CIFAR_ROWS = 10_000
CIFAR_SHAPE = (3, 32, 32)
CIFAR_RECORD = 1 + 3 * 32 * 32
TAR_SLACK = 1 << 20
USUAL_ROOT = Path("data")


@dataclass(frozen=True)
class PublicSet:
    """A public set of images.

    Attributes
    ----------
    name : str
    description : str
    class_names : tuple of str
        In the order of the labels 0, 1, ...; empty where the labels are the numbers themselves.
    mirrors : tuple of str
        Addresses of the folders that hold the files, in the order in which they are tried.
    files : tuple of PublicFile
        IDX: training images and labels, test images and labels. CIFAR-10: the archive.
    flips : bool
        Whether the mirror image of an image is of the same class.
    folders : tuple of str
        Where the files may lie below a data folder.
    system_folders : tuple of str
        Where a distribution puts them.
    advice : str
        How else to get them.
    """

    name: str
    description: str
    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]
    files: tuple[PublicFile, ...]
    flips: bool
    folders: tuple[str, ...] = ("",)
    system_folders: tuple[str, ...] = ()
    advice: str = ""


MNIST = PublicSet(
    name="mnist",
    description="70,000 handwritten digits, grey, 28 x 28 (LeCun, Cortes, Burges 1998)",
    class_names=(),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files=(
        PublicFile(
            "train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        PublicFile(
            "train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        PublicFile(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        PublicFile(
            "t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    flips=False,
    folders=("", "MNIST/raw", "mnist"),
)

FASHION_MNIST = PublicSet(
    name="fashion-mnist",
    description="70,000 pictures of clothes of 10 classes, grey, 28 x 28 (Xiao, Rasul, Vollgraf 2017; MIT)",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    files=(
        PublicFile(
            "train-images-idx3-ubyte",
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        PublicFile(
            "train-labels-idx1-ubyte",
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        PublicFile(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        PublicFile(
            "t10k-labels-idx1-ubyte",
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    flips=True,
    folders=("", "FashionMNIST/raw", "fashion-mnist"),
    system_folders=("/usr/share/datasets/fashion-mnist",),
    advice=(
        'Debian and Ubuntu have them in the package dataset-fashion-mnist; the set "fashion-sample" comes with nnzoo.'
    ),
)

CIFAR_10 = PublicSet(
    name="cifar-10",
    description="60,000 small photographs of 10 classes, colour, 32 x 32 (Krizhevsky 2009)",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    files=(
        PublicFile(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            packed=False,
        ),
    ),
    flips=True,
    folders=("", "cifar-10"),
    advice='The set "fashion-sample" comes with nnzoo.',
)

PUBLIC = {each.name: each for each in (MNIST, FASHION_MNIST, CIFAR_10)}


def read_public(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    opener: Opener = urllib.request.urlopen,
) -> ImageTable:
    """Read a public set of images.

    Parameters
    ----------
    name : str
        One of ``PUBLIC``.
    data_dir : path, optional
        Folder to look in first: for the files themselves, in a folder of the name of the set, and where torchvision
        puts them (MNIST/raw, FashionMNIST/raw). By default the folder "data" of the working directory. Then come
        the folder of Debian's package and the cache, then the mirrors.
    cache : path, optional
        Folder that keeps downloads; by default a folder of the name of the set in ``fetching.cache_folder()``.
    opener : callable
        As ``urllib.request.urlopen``.

    Returns
    -------
    ImageTable
        Columns "image" and "label"; first the training rows, then the test rows, in the order of the files. Files of
        other content that were passed over, and downloads, stand in ``findings``.

    Raises
    ------
    UsageError
        There is no such set; the nearest names are listed.
    DataError
        The files are neither on this machine nor to be had from a mirror, or ``data_dir`` is no folder.
    """
    if name not in PUBLIC:
        raise UsageError(f"nnzoo knows no public set {quote(name)}.", nearest(name, PUBLIC))
    place = cache_folder() / name if cache is None else Path(cache)
    return read_set(PUBLIC[name], data_dir=data_dir, cache=place, opener=opener)


def read_set(
    wanted: PublicSet,
    *,
    data_dir: str | os.PathLike[str] | None,
    cache: Path,
    opener: Opener = urllib.request.urlopen,
    timeout: float = TIMEOUT_S,
) -> ImageTable:
    """Read a set of images that is described by a ``PublicSet``; ``read_public`` says how."""
    root = USUAL_ROOT if data_dir is None else Path(data_dir)
    if data_dir is not None and not root.is_dir():
        raise DataError(f"data_dir needs to be a folder; {shown(root)} is none.", "Check the path (--data-dir).")
    folders = [*(root / each for each in wanted.folders), *map(Path, wanted.system_folders)]
    search = Search(wanted.name, folders, list(wanted.mirrors), cache, opener, timeout)
    contents = [_content(search, file, wanted) for file in wanted.files]
    images, labels = _from_cifar(wanted, contents[0]) if len(contents) == 1 else _from_idx(wanted, contents)
    named = {part: _named(values, wanted) for part, values in labels.items()}
    table = join_parts(images, named, wanted.name)
    return replace(table, findings=[*table.findings, *search.findings])


def _content(search: Search, file: PublicFile, wanted: PublicSet) -> bytes:
    content = search.content(file)
    if content is not None:
        return content
    try:
        return search.download(file)
    except Unusable as exc:
        names = ", ".join(each.name for each in wanted.files)
        passed = "".join(f" {finding.message}" for finding in search.findings if finding.level == "warning")
        raise DataError(
            f"{wanted.name} needs the file {quote(file.name)}; it is not on this machine, and no mirror gave it: "
            f"{exc}.{passed}",
            f"Connect to the network and run again, or put {names} (as they are, or with .gz) into {search.cache}, or "
            f"into a folder of yours that you pass as data_dir=FOLDER (--data-dir FOLDER). {wanted.advice}".rstrip(),
        ) from exc


def _named(labels: np.ndarray, wanted: PublicSet) -> np.ndarray:
    if not wanted.class_names:
        return labels.astype(np.int64)
    if labels.max(initial=0) >= len(wanted.class_names):
        message = f"{wanted.name} needs labels below {len(wanted.class_names)}; got {labels.max()}."
        raise DataError(message, "Remove the file and run again.")
    return np.array(wanted.class_names)[labels]


def _from_idx(wanted: PublicSet, contents: list[bytes]) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    names = [f"{wanted.name}, {file.name}," for file in wanted.files]
    x_train, y_train, x_test, y_test = map(idx_array, names, contents)
    return {TRAIN: x_train, TEST: x_test}, {TRAIN: y_train, TEST: y_test}


def _from_cifar(wanted: PublicSet, packed: bytes) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    part_of_member = {name: part for part, names in CIFAR_MEMBERS.items() for name in names}
    found = _members(f"{wanted.name}, {wanted.files[0].name},", packed, list(part_of_member))
    images, labels = {}, {}
    for part, names in CIFAR_MEMBERS.items():
        records = np.concatenate([found[name] for name in names])
        planes = records[:, 1:].reshape(-1, *CIFAR_SHAPE)  # rows, colours, height, width
        images[part], labels[part] = np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]
    return images, labels


def _members(origin: str, packed: bytes, names: list[str]) -> dict[str, np.ndarray]:
    """Return the records of the named members, shape (n_rows, CIFAR_RECORD); other members are passed over."""
    found = {}
    limit = len(names) * CIFAR_ROWS * CIFAR_RECORD + TAR_SLACK
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            bounded = cast(gzip.GzipFile, _Bounded(stream, limit))
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name in names and member.isreg() else None
                    if content is not None and member.size <= CIFAR_ROWS * CIFAR_RECORD:
                        found[member.name] = np.frombuffer(content.read(), np.uint8).reshape(-1, CIFAR_RECORD)
    except (tarfile.TarError, OSError, EOFError, ValueError) as exc:
        raise DataError(f"{origin} cannot be read: {exc}.", _AGAIN) from exc
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{origin} needs the member {quote(missing[0])}; it has none that can be read.", _AGAIN)
    return found


_AGAIN = "Download the archive again."


class _Bounded:
    """A stream that refuses to give more than ``limit`` bytes in all."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, n_bytes: int) -> bytes:
        """Return at most ``n_bytes`` more bytes; raise ValueError beyond the limit."""
        content = self._stream.read(min(n_bytes, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("it unpacks to more than it should")
        return content
