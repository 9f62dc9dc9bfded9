"""Files of the UCR and UEA archives (.ts): a series a line, its dimensions and its label separated by colons.

    @problemName Waves
    @classLabel true up down
    @data
    0.1,0.2,?:1,2,3:up

A question mark is a missing value; series may differ in length. The archives come as NAME_TRAIN.ts and NAME_TEST.ts.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from nnzoo.data.opening import PIECE_BYTES, InputFile
from nnzoo.data.rawtable import shown
from nnzoo.data.sequencearrays import step_frame
from nnzoo.data.sequences import NAME, Sequences, SequenceTable
from nnzoo.data.splits import TEST, TRAIN
from nnzoo.data.textstream import utf8_pieces
from nnzoo.errors import DataError, quote
from nnzoo.ragged import Ragged

SUFFIX = ".ts"
LABEL = "label"
_TRAIN_NAME = re.compile(r"(?i)^(.*)_train\.ts$")
_COMMENTS = ("#", "%")


@dataclass(frozen=True, eq=False)
class _File:
    origin: str
    fingerprint: str
    rows: list[np.ndarray]
    labels: list[str] | None


def ts_paths(source: str | os.PathLike[str]) -> list[Path] | None:
    """Return the .ts files that a path stands for: the file, with the test file beside a training file; else None.

    A folder stands for the only pair NAME_TRAIN.ts and NAME_TEST.ts in it.

    Raises
    ------
    DataError
        A folder holds several pairs.
    """
    path = Path(source)
    if path.is_dir():
        found = sorted(each for each in path.glob(f"*{SUFFIX}") if _TRAIN_NAME.match(each.name))
        if len(found) > 1:
            names = ", ".join(quote(each.name) for each in found[:5])
            raise DataError(f"{shown(os.fspath(path))} needs one training file; got {names}.", "Name one of them.")
        return ts_paths(found[0]) if found else None
    if path.suffix.lower() != SUFFIX:
        return None
    train = _TRAIN_NAME.match(path.name)
    test = None if train is None else _neighbour(path, f"{train[1]}_test{SUFFIX}")
    return [path] if test is None else [path, test]


def read_ts(paths: list[Path]) -> SequenceTable:
    """Read one .ts file, or a training file and its test file.

    Returns
    -------
    SequenceTable
        The columns of a step are x0, x1, ...; the target is "label". Of two files, ``part`` says which row is of which.

    Raises
    ------
    DataError
        A file is not in this format, names time stamps, holds an empty series, or has a line that cannot be read.
    """
    files = [_read(path) for path in paths]
    widths = {row.shape[1] for file in files for row in file.rows}
    if len(widths) > 1 or len({file.labels is None for file in files}) > 1:
        raise DataError(
            f"{files[0].origin} and {files[-1].origin} need series of equally many dimensions, all with labels or all "
            f"without; got {sorted(widths)} dimensions.",
            "Give files of one problem.",
        )
    rows = Ragged.of([row for file in files for row in file.rows])
    labels = [label for file in files for label in file.labels or []]
    names = pl.DataFrame({NAME: np.arange(1, len(rows) + 1)})
    sizes = [len(file.rows) for file in files]
    two = len(files) == 2
    return SequenceTable(
        frame=names.with_columns(pl.Series(LABEL, labels)) if labels else names,
        rows=np.arange(1, len(rows) + 1),
        origin=files[0].origin,
        fingerprint=_joint([file.fingerprint for file in files]),
        target=LABEL if labels else None,
        sequences=Sequences(step_frame(rows.values), rows.lengths),
        layout="array",
        part=np.repeat([TRAIN, TEST], sizes).astype(np.int8) if two else None,
        how_split=f"train is {quote(paths[0].name)}, test is {quote(paths[-1].name)} beside it",
        why="the file has a label for each series" if labels else "the file has no labels: a forecast",
    )


def _joint(fingerprints: list[str]) -> str:
    return fingerprints[0] if len(fingerprints) == 1 else hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def _neighbour(path: Path, name: str) -> Path | None:
    return next((each for each in path.parent.iterdir() if each.name.lower() == name.lower()), None)


def _read(path: Path) -> _File:
    with InputFile(path, hashing=True) as file:
        pieces = iter(lambda: file.read(PIECE_BYTES), b"")
        lines = b"".join(utf8_pieces(pieces, file.origin)).decode().splitlines()
        rows, labels = _parse(list(_content(lines)), file.origin)
        return _File(file.origin, file.fingerprint(), rows, labels)


def _content(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith(_COMMENTS):
            yield number, text


def _parse(lines: list[tuple[int, str]], origin: str) -> tuple[list[np.ndarray], list[str] | None]:
    header: dict[str, list[str]] = {}
    n_header = 0
    for _, text in lines:
        if not text.startswith("@"):
            break
        n_header += 1
        key, _, rest = text[1:].strip().partition(" ")
        header[key.lower()] = rest.split()
        if key.lower() == "data":
            break
    if "data" not in header:
        raise DataError(f"{origin} needs a line @data before its series; there is none.", "Check the file.")
    if _is_true(header.get("timestamps")):
        raise DataError(f"{origin} needs series without time stamps; it says @timeStamps true.", "Leave them out.")
    with_label = _is_true(header.get("classlabel")) or _is_true(header.get("targetlabel"))
    if n_header == len(lines):
        raise DataError(f"{origin} needs at least one series below @data; got 0 rows.", "Check the file.")
    rows, labels = [], []
    for number, text in lines[n_header:]:
        *dimensions, label = text.split(":") if with_label else (*text.split(":"), "")
        rows.append(_series(dimensions, f"{origin}, line {number}"))
        labels.append(label.strip())
    odd = next((i for i, row in enumerate(rows) if row.shape[1] != rows[0].shape[1]), None)
    if odd is not None:
        _refuse(f"{origin}, line {lines[n_header + odd][0]}", rows[0].shape[1], rows[odd].shape[1])
    return rows, labels if with_label else None


def _refuse(where: str, needed: int, came: int) -> NoReturn:
    message = f"{where} needs {needed} dimension{'s' * (needed > 1)}, as the first series has; got {came}."
    raise DataError(message, "Correct the line.")


def _series(dimensions: list[str], where: str) -> np.ndarray:
    """Return a series (n_steps, n_dimensions), NaN for "?"."""
    cells = [[cell.strip() for cell in text.split(",")] if text.strip() else [] for text in dimensions]
    lengths = [len(values) for values in cells]
    if not lengths or min(lengths) == 0:
        raise DataError(f"{where} needs at least one step; got a sequence of length 0.", "Leave empty series out.")
    if len(list(groupby(lengths))) > 1:
        raise DataError(f"{where} needs dimensions of one length; got {lengths}.", "Correct the line.")
    try:
        return np.array([["nan" if cell == "?" else cell for cell in values] for values in cells], dtype=np.float64).T
    except ValueError as exc:
        bad = next(cell for values in cells for cell in values if not _is_number(cell))
        raise DataError(f'{where} needs numbers, "?" where one is missing; got {quote(bad)}.', "Correct it.") from exc


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == "?"
    return True


def _is_true(words: list[str] | None) -> bool:
    return bool(words) and words[0].lower() == "true"
