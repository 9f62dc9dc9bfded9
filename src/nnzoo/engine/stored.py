"""Encoded rows in a file on the disk, cut by index as a tensor is: training on more rows than the memory holds.

Each row is read where it stands, so that memory follows the batch, and an epoch takes the rows in the same random order
as it would in memory, to the same bits.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnzoo.engine.batches import Batch
from nnzoo.errors import ResourceError


class StoredRows:
    """Rows (n, ...) in a temporary file, which goes when the object goes, or the process is killed.

    Parameters
    ----------
    folder : path or None
        Where the file is made; the usual place for temporary files without.
    """

    device = torch.device("cpu")

    def __init__(self, folder: Path | None = None) -> None:
        self._file: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  it lives as long as the rows
        self._like = torch.empty(0)
        self._n_rows = 0

    def __del__(self) -> None:
        self._file.close()

    def append(self, rows: Tensor) -> None:
        """Write further rows behind the others; raise ResourceError if the disk takes no more."""
        self._like = rows[:0].contiguous()
        content = rows.contiguous().numpy().reshape(-1).view(np.uint8).data
        try:
            while content:
                content = content[self._file.write(content) :]
        except OSError as exc:
            message = f"The encoded rows take no more room on the disk after {self._n_rows:,} rows: {exc.strerror}."
            raise ResourceError(message, "Free some room, or set TMPDIR to another folder.") from exc
        self._n_rows += len(rows)

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return the rows of a slice without steps, or of an array of row numbers, as a tensor."""
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return self._read(range(start, stop, max(stop - start, 1)), max(stop - start, 0))
        return self._read(index.tolist(), len(index))

    def _read(self, starts: Sequence[int], n_rows: int) -> Tensor:
        """Return ``n_rows`` rows, of which equally many stand behind one another from each start."""
        out = torch.empty((n_rows, *self._like.shape[1:]), dtype=self._like.dtype)
        if not n_rows:
            return out
        content = out.numpy().reshape(-1).view(np.uint8).data
        row_bytes, piece_bytes = len(content) // n_rows, len(content) // len(starts)
        for place, start in enumerate(starts):
            piece = content[place * piece_bytes : (place + 1) * piece_bytes]
            self._file.seek(start * row_bytes)
            while piece:
                piece = piece[self._file.readinto(piece) :]
        return out


def stored(batches: Iterable[Batch], folder: Path | None = None) -> Batch:
    """Return all rows as one batch whose inputs lie on the disk; the targets stay in memory."""
    rows, targets = StoredRows(folder), []
    for batch in batches:
        rows.append(batch.inputs)  # pyright: ignore[reportArgumentType]
        targets.append(batch.target)
    return Batch(rows, torch.cat(targets))  # pyright: ignore[reportArgumentType]
