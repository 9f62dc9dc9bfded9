"""The layout of a model file: a header of JSON, then tensors; safetensors layout, byte for byte reproducible.

::

    8 bytes    n, the length of the header, little-endian; a multiple of 8
    n bytes    {"__metadata__":{"nnzoo":"<manifest>","sha256":"<64 digits>"},"<name>":{"data_offsets":[<begin>,<end>],
               "dtype":"<dtype>","shape":[<sizes>]},...} and blanks
    the rest   the tensors, little-endian, row by row, wide types first, then by name, without gap

The header is ASCII, the names ascend, and there is one way to write each header. So the reader needs no general JSON
parser for the table of tensors: it takes that form or refuses it. The manifest is a JSON text of its own. ``sha256``
covers the whole file, its own digits taken as zeros.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from nnzoo.errors import CheckpointError, ModelFileError, quote
from nnzoo.files import Pathish, shown
from nnzoo.plainjson import json_bytes, parse_json

Kind = Literal["model", "checkpoint"]
Table = dict[str, tuple[str, tuple[int, ...]]]

MAX_BYTES = 2 << 30
MAX_HEADER = 4 << 20
MAX_MANIFEST = 1 << 20
MAX_MANIFEST_COMMAS = 100_000
MAX_TENSORS = 20_000
MAX_DIMENSIONS = 8
MAX_BLOB = 64 << 20
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1", "BOOL": "|b1"}
DTYPE_NAMES = {code: name for name, code in DTYPES.items()}
WIDTHS = {name: np.dtype(code).itemsize for name, code in DTYPES.items()}
ZEROS = b"0" * 64

NAME = r'(?!__metadata__(?:"|\Z))[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}'
TENSOR_NAME = re.compile(NAME)
NUMBER = r"(?:0|[1-9][0-9]{0,15})"
METADATA = re.compile(
    rb'\{"__metadata__":\{"nnzoo":("(?:[\x20\x21\x23-\x5b\x5d-\x7e]++|(?:\\[\x20-\x7e])++)*+"),"sha256":"([0-9a-f]{64})"\}'
)
ENTRY = re.compile(
    rf',"({NAME})":\{{"data_offsets":\[({NUMBER}),({NUMBER})\],"dtype":"([A-Z0-9_]{{1,16}})",'
    rf'"shape":\[((?:{NUMBER}(?:,{NUMBER}){{0,15}}+)?)\]\}}'
)
END = re.compile(r"\} {0,7}")

NOT_OURS = "Give a file that nnzoo has saved."
DAMAGED = "The file is damaged or was changed; take a copy that is not, or train again."


class Tensor(NamedTuple):
    """A row of the table: dtype name, shape, and the bytes it covers, counted from the start of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A header as bytes, and what stands in its first part: the manifest, and where its SHA-256 and the table start."""

    data: bytes
    manifest: dict[str, Any]
    digits_at: int
    table_at: int

    @property
    def digits(self) -> str:
        """The SHA-256 that the file states."""
        return self.data[self.digits_at : self.digits_at + 64].decode("ascii")

    def with_digits(self, digits: bytes) -> bytes:
        """Return the start of the file, up to the tensors, with other digits."""
        signed = self.data[: self.digits_at] + digits + self.data[self.digits_at + 64 :]
        return len(signed).to_bytes(8, "little") + signed


class Owner:
    """The file that a message is about."""

    def __init__(self, path: Pathish, kind: Kind, limit_hint: str) -> None:
        self.limit_hint = limit_hint
        self.error = CheckpointError if kind == "checkpoint" else ModelFileError
        self.kind = kind
        self.name = shown(path)

    def foreign(self, came: str) -> ModelFileError:
        """Return the error for a file that is something else."""
        return self.error(f"{self.name} needs to be a {self.kind} file of nnzoo; it is {came}.", NOT_OURS)

    def damaged(self, problem: str) -> ModelFileError:
        """Return the error for a file that breaks the layout."""
        return self.error(f"{self.name} is damaged: {problem}.", DAMAGED)

    def limit(self, needed: str, came: str) -> ModelFileError:
        """Return the error for content beyond a limit."""
        return self.error(f"{self.name} needs {needed}; got {came}.", self.limit_hint)


def make_header(manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray], owner: Owner) -> Header:
    """Return the header with zeros as its SHA-256, as the reader sees it."""
    text = json_bytes(dict(manifest), owner.error, owner=f"{owner.name}: the manifest").decode("ascii")
    rows = _lay_out({name: (DTYPE_NAMES[array.dtype.str], array.shape) for name, array in arrays.items()})
    parts = [f'{{"__metadata__":{{"nnzoo":{json.dumps(text)},"sha256":"{ZEROS.decode("ascii")}"}}']
    for row in sorted(rows, key=lambda row: row.name):
        shape = ",".join(map(str, row.shape))
        parts.append(
            f',"{row.name}":{{"data_offsets":[{row.begin},{row.end}],"dtype":"{row.dtype}","shape":[{shape}]}}'
        )
    data = "".join([*parts, "}"]).encode("ascii")
    data += b" " * (-len(data) % 8)
    if len(data) > MAX_HEADER:
        raise owner.limit(f"a header of at most {MAX_HEADER} bytes", str(len(data)))
    return parse_header(data, owner)


def _lay_out(table: Table) -> list[Tensor]:
    """Return where each tensor lies: wide types first, so that each starts at a multiple of its width."""
    rows: list[Tensor] = []
    begin = 0
    for name, (dtype, shape) in sorted(table.items(), key=lambda item: (-WIDTHS[item[1][0]], item[0])):
        end = begin + WIDTHS[dtype] * math.prod(shape)
        rows.append(Tensor(name, dtype, shape, begin, end))
        begin = end
    return rows


def parse_header(data: bytes, owner: Owner) -> Header:
    """Check and read the first part of the header: the manifest and the SHA-256."""
    found = METADATA.match(data)
    if not found:
        raise owner.foreign("a file of another program, or damaged in its header")
    text = parse_json(found[1], owner.error, owner=owner.name).encode("utf-8", "surrogatepass")
    if len(text) > MAX_MANIFEST or text.count(b",") > MAX_MANIFEST_COMMAS:
        raise owner.limit(
            f"a manifest of at most {MAX_MANIFEST} bytes and {MAX_MANIFEST_COMMAS} values", str(len(text))
        )
    manifest = parse_json(text, owner.error, owner=f"{owner.name}: the manifest")
    if not isinstance(manifest, dict):
        raise owner.damaged("its manifest is not a JSON object")
    return Header(data, manifest, found.start(2), found.end())


def parse_table(header: Header, owner: Owner) -> list[Tensor]:
    """Return the table in the order of the data; it is as ``_lay_out`` gives it, or the file is refused."""
    n_tensors = header.data.count(b'"data_offsets"', header.table_at)
    if n_tensors > MAX_TENSORS:
        raise owner.limit(f"at most {MAX_TENSORS} tensors", str(n_tensors))
    text = header.data[header.table_at :].decode("latin-1")
    table: Table = {}
    places: dict[str, tuple[int, int]] = {}
    at, last = 0, ""
    while found := ENTRY.match(text, at):
        name, begin, end, dtype, sizes = found.groups()
        if name <= last:
            raise owner.damaged(f"tensor {quote(name)} is out of order or occurs twice")
        table[name] = dtype, _check_shape(name, dtype, tuple(map(int, sizes.split(","))) if sizes else (), owner)
        places[name] = int(begin), int(end)
        at, last = found.end(), name
    if not END.fullmatch(text, at):
        raise owner.damaged(f"its header breaks the layout at byte {8 + header.table_at + at}")
    rows = _lay_out(table)
    for row in rows:
        if places[row.name] != (row.begin, row.end):
            raise owner.damaged(f"tensor {quote(row.name)} does not lie at bytes {row.begin} to {row.end} of the data")
    return rows


def _check_shape(name: str, dtype: str, shape: tuple[int, ...], owner: Owner) -> tuple[int, ...]:
    if dtype not in DTYPES:
        raise owner.limit(f"tensors of {', '.join(DTYPES)}", f"{dtype} as {quote(name)}")
    if len(shape) > MAX_DIMENSIONS:
        raise owner.limit(f"tensors of at most {MAX_DIMENSIONS} dimensions", f"{len(shape)} in {quote(name)}")
    # sizes of 0 count as 1, for numpy refuses an empty array whose other sizes overflow
    n_bytes = WIDTHS[dtype] * math.prod([size or 1 for size in shape])
    most = MAX_BLOB if dtype == "U8" else MAX_BYTES
    if n_bytes > most:
        raise owner.limit(f"{dtype} tensors of at most {most} bytes", f"{n_bytes} in {quote(name)}")
    return shape
