"""Public sets of images by name: looked for on this machine, else downloaded; verified by their content either way."""

import gzip
import hashlib
import io
import os
import tarfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnzoo.data.idx import idx_array
from nnzoo.data.imagearrays import image_arrays
from nnzoo.data.imagefiles import ImageTable
from nnzoo.data.splits import TEST, TRAIN
from nnzoo.errors import DataError, listing
from nnzoo.files import atomic_write, open_regular

TIMEOUT = 20.0
MAX_BYTES = 512 << 20
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR_MEMBERS = (*(f"cifar-10-batches-bin/data_batch_{n}.bin" for n in range(1, 6)), "cifar-10-batches-bin/test_batch.bin")
CIFAR_RECORD = 3073
Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class PublicSet:
    """A public set of images.

    Attributes
    ----------
    description : str
    digests : dict of str to str
        File to the SHA-256 of its unpacked content (IDX), or to the MD5 of the archive (cifar-10), which is all that
        its authors publish.
    mirrors : tuple of str
        Addresses of the folders that hold the files, in the order in which they are tried.
    class_names : tuple of str
        Empty where the labels are numbers.
    folders : tuple of str
        Where the files may lie below a data folder, and where an operating system puts them.
    mirrors_alike : bool
        Whether a mirror image is of the same class.
    """

    description: str
    digests: dict[str, str]
    mirrors: tuple[str, ...]
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    mirrors_alike: bool


FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
PUBLIC = {
    "mnist": PublicSet(
        "70,000 handwritten digits, 28 x 28, grey (LeCun, Cortes & Burges)",
        dict(
            zip(
                IDX_FILES,
                (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
                strict=True,
            )
        ),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (),
        ("", "MNIST/raw", "mnist"),
        mirrors_alike=False,
    ),
    "fashion-mnist": PublicSet(
        "70,000 pieces of clothing of 10 classes, 28 x 28, grey (Zalando, MIT licence)",
        dict(
            zip(
                IDX_FILES,
                (
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
                strict=True,
            )
        ),
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        FASHION_NAMES,
        ("", "FashionMNIST/raw", "fashion-mnist", "/usr/share/datasets/fashion-mnist"),
        mirrors_alike=True,
    ),
    "cifar-10": PublicSet(
        "60,000 small photographs of 10 classes, 32 x 32, colour (Krizhevsky 2009)",
        {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
        ("https://www.cs.toronto.edu/~kriz/",),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        ("", "cifar-10"),
        mirrors_alike=True,
    ),
}


def read_public(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    cache: Path | None = None,
    fetch: Fetch | None = None,
    sets: dict[str, PublicSet] = PUBLIC,
) -> ImageTable:
    """Return a public set of images, split into train and test as its authors did.

    Parameters
    ----------
    name : str
        One of ``PUBLIC``.
    data_dir : path, optional
        Folder to look in first.
    cache : Path, optional
        Folder that keeps downloads; ``nnzoo`` in the user's cache folder by default.
    fetch : callable, optional
        Address to content; by default over the network.
    sets : dict
        The sets that are known.

    Raises
    ------
    DataError
        The files are neither here nor to be had, or their content is not the official one.
    """
    wanted = sets[name]
    cache = cache or _cache_folder() / name
    places = [*_places(wanted, data_dir), cache]
    contents = {file: _content(name, wanted, file, places, cache, fetch or download) for file in wanted.digests}
    images, labels, part = _from_cifar(contents) if name.startswith("cifar") else _from_idx(contents)
    known = np.array(wanted.class_names, dtype=object)[labels] if wanted.class_names else labels.astype(np.int64)
    return replace(image_arrays(images, known, origin=name, part=part), mirrors_alike=wanted.mirrors_alike)


def download(address: str) -> bytes:
    """Return the content at an address, at most 512 MiB."""
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310
        content = answer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError("the answer is too long")
    return content


def _places(wanted: PublicSet, data_dir: str | os.PathLike[str] | None) -> list[Path]:
    below = [Path(data_dir)] if data_dir is not None else [Path("data")]
    return [root / folder for folder in wanted.folders for root in below]


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnzoo"


def _content(name: str, wanted: PublicSet, file: str, places: Sequence[Path], cache: Path, fetch: Fetch) -> bytes:
    """Return the verified, unpacked content of a file: from this machine, else from the first mirror that has it."""
    for place in places:
        for path in (place / file, place / f"{file}.gz"):
            if path.is_file():
                with open_regular(path, DataError) as stream:
                    content = stream.read()
                return _verified(str(path), _unpacked(content, file), wanted.digests[file], "Remove this file.")
    packed = file if file.endswith(".gz") else f"{file}.gz"
    failures = []
    for mirror in wanted.mirrors:
        try:
            content = fetch(f"{mirror}{packed}")
            unpacked = _verified(f"{mirror}{packed}", _unpacked(content, file), wanted.digests[file], "Try again later.")
        except (OSError, EOFError, ValueError) as error:
            failures.append(f"{mirror} ({error})")
            continue
        cache.mkdir(parents=True, exist_ok=True)
        atomic_write(cache / packed, content)
        return unpacked
    raise DataError(
        f"{name} needs the file {packed}; it is not on this machine, and no mirror gave it: {listing(failures)}.",
        f"Connect to the network, or put the files {listing(wanted.digests)} (packed or not) into a folder and pass "
        "data_dir=folder (--data-dir folder).",
    )


def _unpacked(content: bytes, file: str) -> bytes:
    if file.endswith(".gz") or not content.startswith(b"\x1f\x8b"):
        return content
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        unpacked = stream.read(MAX_BYTES + 1)
    if len(unpacked) > MAX_BYTES:
        raise OSError("the unpacked file is too long")
    return unpacked


def _verified(where: str, content: bytes, digest: str, hint: str) -> bytes:
    kind = hashlib.md5 if len(digest) == 32 else hashlib.sha256  # noqa: PLR2004, S324
    found = kind(content).hexdigest()
    if found != digest:
        raise DataError(f"{where} needs the official content ({digest[:16]}...); its digest is {found[:16]}....", hint)
    return content


def _from_idx(contents: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = [idx_array(file, content) for file, content in contents.items()]
    part = np.repeat(np.array([TRAIN, TEST], dtype=np.int8), [len(arrays[1]), len(arrays[3])])
    return np.concatenate([arrays[0], arrays[2]]), np.concatenate([arrays[1], arrays[3]]), part


def _from_cifar(contents: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the members of the archive by name; each record is a label and 3 x 32 x 32 bytes, red plane first."""
    (packed,) = contents.values()
    records = []
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for name in CIFAR_MEMBERS:
            stream = archive.extractfile(name)
            content = b"" if stream is None else stream.read(10_000 * CIFAR_RECORD)
            records.append(np.frombuffer(content, dtype=np.uint8).reshape(-1, CIFAR_RECORD))
    rows = np.concatenate(records)
    part = np.full(len(rows), TRAIN, dtype=np.int8)
    part[-len(records[-1]) :] = TEST
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0].astype(np.int64), part
