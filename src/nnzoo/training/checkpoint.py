"""Checkpoints of a run: a crash at any moment leaves a good one, and a damaged one is passed over.

Each checkpoint is a file of its own, named by its step; ``LATEST`` names the one to go on from and is moved only after
that file is safe on the disk.
"""

import contextlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnzoo import files
from nnzoo.errors import CheckpointError
from nnzoo.tensorfile import read_tensors, write_tensors

FORMAT = "nnzoo checkpoint"
FORMAT_VERSION = 1
POINTER = "LATEST"
NAME = re.compile(r"checkpoint-(\d{18})\.nnzoo")


class Checkpoints:
    """The checkpoints in the folder of a run.

    Parameters
    ----------
    folder : str or PathLike
        Where they lie; made at the first save if its parent exists. One run at a time may use it: see ``files.Lock``.
    keep : int, default 2
        How many of the newest stay, 1 or more.

    Attributes
    ----------
    n_failed : int
        How many saves have failed.
    """

    def __init__(self, folder: files.Pathish, keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = keep
        self.n_failed = 0
        self._damaged: set[Path] = set()

    def save(self, step: int, values: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bool:
        """Write a checkpoint, move ``LATEST`` to it, remove the older ones.

        Parameters
        ----------
        step : int
            From 0 to 10**18 - 1. Checkpoints of later steps are removed: the run did not go on from them.
        values : mapping
            Plain JSON values, at most 15 levels deep.
        tensors : mapping of str to ndarray
            What ``tensorfile.write_tensors`` takes; NaN and infinity are welcome.

        Returns
        -------
        bool
            False if the disk did not take it; the first such failure also warns, and the older checkpoints stay.

        Raises
        ------
        CheckpointError
            The content breaks a limit of the file.
        """
        path = self.folder / f"checkpoint-{step:018d}.nnzoo"
        manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "step": step, "values": dict(values)}
        try:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir()
            files.remove_leftovers(self.folder)
            write_tensors(path, manifest, tensors, kind="checkpoint", allow_nonfinite=True)
            files.crash_point("before-pointer")
            files.atomic_write(self.folder / POINTER, f"{path.name}\n".encode())
        except OSError as exc:
            self._warn_once(exc)
            return False
        self._damaged.discard(path)
        with contextlib.suppress(OSError):  # one file too many harms nothing
            self._remove_all_but_newest(path)
        return True

    def latest(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return values and tensors of the newest good checkpoint; warn about each newer one that is passed over.

        Raises
        ------
        CheckpointError
            There is none.
        """
        found = self._found()
        if not found:
            raise CheckpointError(f"{files.shown(self.folder)} holds no checkpoint.", "Train without resume.")
        with contextlib.suppress(OSError):
            files.remove_leftovers(self.folder)
        pointed = self._pointed()
        reasons = []
        for path in sorted(found, key=lambda path: (path.name == pointed, path), reverse=True):
            try:
                result = _read(path)
            except CheckpointError as exc:
                reasons.append(exc.message)
                self._damaged.add(path)
                continue
            if reasons:
                message = f"{len(reasons)} newer checkpoint(s) passed over; going on from {files.shown(path)}. "
                warnings.warn(message + reasons[0], stacklevel=2)
            return result
        raise CheckpointError(
            f"{files.shown(self.folder)} holds no usable checkpoint, only {len(found)} damaged: {reasons[0]}",
            "Train without resume.",
        )

    def clear(self) -> None:
        """Remove all checkpoints, the pointer and what crashed writes left; other files in the folder stay."""
        if not self.folder.is_dir():
            return
        (self.folder / POINTER).unlink(missing_ok=True)
        for path in self._found():
            path.unlink(missing_ok=True)
        files.remove_leftovers(self.folder)

    def _found(self) -> list[Path]:
        """Return the checkpoint files, newest step first."""
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if NAME.fullmatch(path.name)), reverse=True)

    def _remove_all_but_newest(self, newest: Path) -> None:
        found = self._found()
        good = [path for path in found if path <= newest and path not in self._damaged]
        for path in set(found) - set(good[: self.keep]):
            path.unlink()

    def _pointed(self) -> str | None:
        try:
            with files.open_regular(self.folder / POINTER, CheckpointError, follow=False) as stream:
                return stream.read(100).decode("ascii", "replace").strip()
        except CheckpointError:
            return None

    def _warn_once(self, exc: OSError) -> None:
        self.n_failed += 1
        if self.n_failed == 1:
            reason = str(exc.strerror or exc).lower()
            message = f"{files.shown(self.folder)} took no checkpoint: {reason}."
            warnings.warn(f"{message} Training goes on; the older checkpoints are intact.", stacklevel=3)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    manifest, tensors = read_tensors(path, kind="checkpoint", allow_nonfinite=True)
    version = manifest.get("format_version")
    step = int(path.name.removeprefix("checkpoint-").removesuffix(".nnzoo"))
    if manifest.get("format") != FORMAT or manifest.get("step") != step or not isinstance(manifest.get("values"), dict):
        raise CheckpointError(
            f"{files.shown(path)} needs to be the checkpoint of step {step}; it is not.", "Delete it."
        )
    if type(version) is not int or version != FORMAT_VERSION:
        raise CheckpointError(
            f"{files.shown(path)} has checkpoint format {version!r}; this nnzoo reads {FORMAT_VERSION}.",
            "Resume with the version that made it.",
        )
    return manifest["values"], tensors
