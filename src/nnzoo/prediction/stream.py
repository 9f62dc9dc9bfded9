"""Predictions for files of any size: read a chunk, predict, write, next; the output appears only when it is whole."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow.parquet as pq

from nnzoo.errors import UsageError, quote
from nnzoo.files import Pathish, atomic_write
from nnzoo.prediction.decode import Traced

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that starts so for a formula (CWE-1236)."""
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


class Decodes(Protocol):
    """What turns a source into predictions: a decoder of tables, of images or of sequences."""

    counts: dict[str, dict[str, Any]]
    n_rows: int
    n_rejected: int
    extra: tuple[str, ...]

    def read(self, source: object) -> Iterator[Any]:
        """Yield the rows of a source in chunks."""
        ...

    def decode(self, chunk: Any, /) -> pl.DataFrame:
        """Return the predictions of a chunk."""
        ...

    def encode(self, chunk: Any, /) -> pl.DataFrame:
        """Return the vector of each row of a chunk."""
        ...

    def trace(self, chunk: Any, /) -> Traced:
        """Return the only row of a chunk as the network reads it, and how it came about."""
        ...

    def warn(self) -> None:
        """Say once, as warnings, what was unusual."""
        ...


def predict_chunks(decoder: Decodes, source: object) -> Iterator[pl.DataFrame]:
    """Yield the predictions of a source, chunk by chunk, in the order of its rows."""
    for table in decoder.read(source):
        yield decoder.decode(table)


def predict_to_file(decoder: Decodes, source: object, path: Pathish, *, raw: bool = False) -> None:
    """Write the predictions of a source to a file, replaced atomically once all rows are done.

    Parameters
    ----------
    decoder : Decodes
    source : path, frame, array, dict or list of dicts
    path : str or PathLike
        .csv, .tsv, .jsonl or .parquet.
    raw : bool, default False
        Whether text that a spreadsheet takes for a formula is written as it is, without a ' before it.

    Raises
    ------
    UsageError
        The suffix is another one.
    DataError
        A row does not fit; nothing is written.
    """
    check_suffix(path)
    write_frames(predict_chunks(decoder, source), path, raw=raw)


def write_frames(chunks: Iterator[pl.DataFrame], path: Pathish, *, raw: bool = False) -> None:
    """Write frames of the same columns, one behind the other, to a file that appears once it is whole."""
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        _write_parquet(chunks, Path(path))
    else:
        separator = "\t" if suffix == ".tsv" else ","
        pieces = _json_lines(chunks) if suffix == ".jsonl" else _delimited(chunks, separator, raw=raw)
        atomic_write(path, pieces)


def check_suffix(path: Pathish) -> None:
    """Raise UsageError unless predictions can be written to a file of this name."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"The predictions need a file that ends in {', '.join(SUFFIXES)}; got {quote(os.fspath(path))}.",
            "Name it predictions.csv, say.",
        )


def _delimited(chunks: Iterable[pl.DataFrame], separator: str, *, raw: bool) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        safe = chunk if raw else _without_formulas(chunk)
        yield safe.write_csv(include_header=number == 0, separator=separator).encode()


def _without_formulas(chunk: pl.DataFrame) -> pl.DataFrame:
    text = [name for name, dtype in chunk.schema.items() if dtype == pl.String]
    start = pl.col(text).str.slice(0, 1).is_in(FORMULA_STARTS)
    guarded = chunk.with_columns(pl.when(start).then(pl.lit("'") + pl.col(text)).otherwise(pl.col(text)).name.keep())
    return guarded.rename({n: "'" + n for n in guarded.columns if n.startswith(FORMULA_STARTS)})


def _json_lines(chunks: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    for chunk in chunks:
        yield "".join(json.dumps(row, default=str) + "\n" for row in chunk.iter_rows(named=True)).encode()


def _write_parquet(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    """Write row groups to a neighbour of the target, then hand its bytes to the atomic write."""
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        first = next(chunks).to_arrow()
        with pq.ParquetWriter(spool, first.schema) as writer:
            writer.write_table(first)
            for chunk in chunks:
                writer.write_table(chunk.to_arrow().cast(first.schema))
        spool.seek(0)
        atomic_write(path, iter(lambda: spool.read(1 << 20), b""))
