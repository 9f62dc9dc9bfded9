"""Files of running text: told from tables, read as characters, cut into pieces."""

from pathlib import Path

import polars as pl

from nnzoo.data.limits import check_memory
from nnzoo.data.opening import InputFile
from nnzoo.data.textstream import text_start
from nnzoo.data.values import to_numbers
from nnzoo.errors import DataError

TEXT_SUFFIX = ".txt"
PIECE_CHARACTERS = 256
MAX_NUL_SHARE, FEW_NUL = 0.01, 10
SEPARATORS = "\t,;|"

_BYTES_A_CHARACTER = 8
_LINES_LOOKED_AT = 20


def cut_text(text: str, longest: int = PIECE_CHARACTERS) -> list[str]:
    """Cut a text into pieces of at most ``longest`` characters that give the text again when joined.

    A piece ends behind a line end in its second half, else behind a space there, else where it is full.

    Examples
    --------
    >>> cut_text("one two three", 8)
    ['one two ', 'three']
    """
    pieces, start = [], 0
    while len(text) - start > longest:
        half, end = start + longest // 2, start + longest
        cut = text.rfind("\n", half, end) + 1 or text.rfind(" ", half, end) + 1 or end
        pieces.append(text[start:cut])
        start = cut
    return [*pieces, text[start:]] if start < len(text) else pieces


def has_cells(path: Path) -> bool:
    """Say whether the first lines of a file are those of a table: equally many separators in each, or numbers."""
    with InputFile(path) as file:
        head = file.head.decode("latin-1")
    lines = [line for line in head.splitlines()[:_LINES_LOOKED_AT] if line.strip()]
    whole = lines[:-1] if len(lines) > 2 and not head.endswith("\n") else lines
    if len(whole) < 2:
        return False
    separated = any(len({line.count(mark) for line in whole}) == 1 and mark in whole[0] for mark in SEPARATORS)
    return separated or not to_numbers(pl.Series(whole[1:]))[1].any()


def read_characters(path: Path) -> tuple[str, str, str]:
    """Return the text of a file, the name of the file and its fingerprint.

    Lines end in a line feed, whatever they end in in the file.

    Raises
    ------
    DataError
        The file is not text in UTF-8 or UTF-16.
    """
    with InputFile(path, hashing=True) as file:
        check_memory(file.origin, _BYTES_A_CHARACTER * file.size)
        content, fingerprint, origin = file.read(), file.fingerprint(), file.origin
    start = text_start(content[:3])
    encoding = "utf-16" if start is None else "utf-8"
    try:
        text = content[start or 0 :].decode(encoding, "surrogatepass")
    except UnicodeDecodeError as exc:
        byte = exc.start + (start or 0)
        raise DataError(
            f"{origin} needs text in UTF-8 (or UTF-16 with a byte order mark); got the byte "
            f"0x{content[byte]:02x} at byte offset {byte}, which is not {encoding}.",
            "Convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
        ) from exc
    n_nul = text.count("\0")
    if n_nul > max(MAX_NUL_SHARE * len(text), FEW_NUL):
        raise DataError(
            f"{origin} needs text; got {n_nul:,} NUL characters among {len(text):,}.",
            "It is not text, or UTF-16 without a byte order mark.",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n"), origin, fingerprint
