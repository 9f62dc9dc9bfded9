"""Finds the files of a folder of images: one sub-folder a class, in train, valid and test if the folder says so.

Names are bytes: they are sorted as such, and shown with everything escaped that cannot be printed.
"""

import os
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

from nnzoo.data.rawtable import Reject, shown
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID
from nnzoo.errors import DataError, SchemaError, listing

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
PART_OF_FOLDER = {
    "train": TRAIN,
    "training": TRAIN,
    "valid": VALID,
    "val": VALID,
    "validation": VALID,
    "test": TEST,
    "testing": TEST,
}

# Left alone wherever they lie, like every name that starts with a dot and every folder of a run (*.nnzoo.run).
# fmt: off
IGNORED_NAMES = frozenset(
    (
        "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin", "lost+found",
        "__pycache__", "readme", "license", "licence", "copying", "notice", "makefile",
    )
)
IGNORED_SUFFIXES = frozenset(
    (
        ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html", ".htm", ".pdf",
        ".log", ".ini", ".toml", ".py", ".ipynb", ".sh", ".mat", ".parquet", ".xlsx", ".db", ".zip", ".gz", ".tar",
        ".tgz", ".npz", ".npy", ".nnzoo",
    )
)
# fmt: on
RUN_SUFFIX = ".nnzoo.run"


class Entry(NamedTuple):
    """A file or folder below the root: its path, and its path relative to the root, with slashes."""

    path: str
    name: str


class ClassFolder(NamedTuple):
    """A folder whose files are the images of one class."""

    entry: Entry
    label: str
    part: int


class Found(NamedTuple):
    """A file to be looked at, and the place of its folder in ``Layout.folders``; -1 without classes."""

    entry: Entry
    folder: int


@dataclass
class Layout:
    """What a folder holds.

    Attributes
    ----------
    files : list of Found
        Sorted by the bytes of their relative names.
    folders : list of ClassFolder
        Empty if the folder has no classes.
    with_parts : bool
        Whether the folder itself says which images train, choose and test.
    beside : list of str
        Folders beside train, valid and test; they are left out.
    rejects : list of Reject
        Folders that cannot be read, and images that lie beside the class folders.
    n_ignored : int
        Files and folders that were left alone because of their names; those that start with a dot are not counted.
    """

    files: list[Found]
    folders: list[ClassFolder]
    with_parts: bool
    beside: list[str]
    rejects: list[Reject]
    n_ignored: int


def escaped(text: str) -> str:
    """Return a name with everything escaped that cannot be printed: control and direction marks, undecodable bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def find_images(root: str, *, need_labels: bool) -> Layout:
    """Return the files of a folder that may be images; none of them is opened.

    A folder with a ``train`` folder and a ``valid`` (``val``, ``validation``) or ``test`` folder is split already, and
    their sub-folders are the classes; so are those of ``train`` where it is the only folder. Else the sub-folders are
    the classes themselves. Folders inside a class folder make no difference. Links are followed; a folder that was
    reached before in the same class folder is rejected, so that no loop of links is walked round.

    Raises
    ------
    DataError
        There is no such folder.
    SchemaError
        There are no class folders, and ``need_labels`` is set. Without it all files are then taken, without a class.
    """
    walk = _Walk()
    top = Entry(root, "")
    _check_folder(root)
    folders, loose = walk.look(top)
    parts = _parts(folders)
    beside = [entry.name for entry in folders if parts and entry not in parts]
    classes: list[ClassFolder] = []
    for holder in parts or [top]:
        inner, images = (folders, loose) if holder is top else walk.look(holder)
        _check_classes(root, holder, inner, need_labels=need_labels)
        loose = loose if holder is top else [*loose, *images]
        part = PART_OF_FOLDER[holder.name.lower()] if holder is not top else TRAIN
        classes += [ClassFolder(entry, escaped(os.path.basename(entry.name)), part) for entry in inner]
    loose = [entry for entry in loose if entry.name.lower().endswith(IMAGE_SUFFIXES)]
    if not need_labels and (loose or not classes):
        walk = _Walk()
        files = [Found(entry, -1) for entry in walk.below(top)]
        return Layout(_sorted(files), [], False, [], walk.rejects, walk.n_ignored)
    files = [Found(entry, place) for place, folder in enumerate(classes) for entry in walk.below(folder.entry)]
    strays = [Reject(None, None, "lies beside the class folders", escaped(entry.name)) for entry in loose]
    return Layout(_sorted(files), classes, len(parts) > 1, beside, walk.rejects + strays, walk.n_ignored)


@dataclass
class _Walk:
    rejects: list[Reject] = field(default_factory=list)
    n_ignored: int = 0

    def look(self, folder: Entry) -> tuple[list[Entry], list[Entry]]:
        """Return the folders and the files in a folder, sorted by the bytes of their names."""
        folders, files = [], []
        try:
            with os.scandir(folder.path) as found:
                entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
        except OSError as exc:
            self._reject(folder, f"cannot be opened: {str(exc.strerror).lower()}")
            return [], []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_ignored(entry.name):
                self.n_ignored += 1
                continue
            name = f"{folder.name}/{entry.name}" if folder.name else entry.name
            (folders if _is_folder(entry) else files).append(Entry(entry.path, name))
        return folders, files

    def below(self, top: Entry) -> list[Entry]:
        """Return all files in a folder and its sub-folders."""
        seen, waiting, files = set(), [top], []
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(folder.path)
            except OSError as exc:
                self._reject(folder, f"cannot be opened: {str(exc.strerror).lower()}")
                continue
            if (status.st_dev, status.st_ino) in seen:
                self._reject(folder, "leads to a folder that is read already")
                continue
            seen.add((status.st_dev, status.st_ino))
            folders, found = self.look(folder)
            waiting += folders[::-1]
            files += found
        return files

    def _reject(self, folder: Entry, reason: str) -> None:
        self.rejects.append(Reject(None, None, reason, escaped(folder.name)))


def _is_ignored(name: str) -> bool:
    lower = name.lower()
    return lower in IGNORED_NAMES or PurePath(lower).suffix in IGNORED_SUFFIXES or lower.endswith(RUN_SUFFIX)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links; opening it as a file will say so
        return False


def _parts(folders: list[Entry]) -> list[Entry]:
    """Return the folders that are parts of a split, none if the folder is not split."""
    named = [entry for entry in folders if entry.name.lower() in PART_OF_FOLDER]
    found = {PART_OF_FOLDER[entry.name.lower()] for entry in named}
    return named if TRAIN in found and (len(found) > 1 or len(folders) == 1) else []


def _check_folder(root: str) -> None:
    if not os.path.isdir(root):
        came = "it is a file" if os.path.isfile(root) else "there is no such folder"
        raise DataError(f"{shown(root)} needs to be a folder of images; {came}.", "Check the path.")


def _check_classes(root: str, holder: Entry, folders: list[Entry], *, need_labels: bool) -> None:
    if need_labels and not folders:
        where = f"{shown(root)}, folder {listing([holder.name])}" if holder.name else shown(root)
        raise SchemaError(
            f"{where} needs one sub-folder for each class, with its images in it; got no sub-folder.",
            f"Sort the images into folders named after their classes. Folders named {listing(PART_NAMES)} "
            "say which images train, choose the best weights and test.",
        )


def _sorted(files: list[Found]) -> list[Found]:
    return sorted(files, key=lambda found: os.fsencode(found.entry.name))
