"""Text as a stream of bytes that are known to be UTF-8: byte order marks honoured, everything else refused."""

import codecs
import itertools
from collections.abc import Iterator

from nnzoo.errors import DataError

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_HINT = "Save it as UTF-8 (in a spreadsheet: CSV UTF-8), or convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"


def text_start(first: bytes) -> int | None:
    """Return the byte offset at which UTF-8 text begins, after its byte order mark; None if it is UTF-16."""
    if first[:2] in _UTF16:
        return None
    return len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0


def utf8_pieces(pieces: Iterator[bytes], origin: str) -> Iterator[bytes]:
    """Return the content as UTF-8 without a byte order mark, in pieces of about the same size.

    A byte order mark of UTF-8 or UTF-16 at the start says the encoding; without one it is UTF-8.

    Raises
    ------
    DataError
        At the first byte that is not valid in the encoding, or at a NUL, with its offset in the (unpacked) file.
    """
    first = next(pieces, b"")
    start = text_start(first)
    if start is None:
        return _from_utf16(itertools.chain([first[2:]], pieces), origin, _UTF16[first[:2]])
    return _checked(itertools.chain([first[start:]], pieces), origin, start)


def _checked(pieces: Iterator[bytes], origin: str, offset: int) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        if b"\0" in piece:
            _refuse_nul(offset + piece.index(b"\0"), origin)
        _decode(decoder, piece, offset, origin)
        offset += len(piece)
        yield piece
    _decode(decoder, b"", offset, origin, final=True)


def _from_utf16(pieces: Iterator[bytes], origin: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 2
    for piece in pieces:
        n_pending = len(decoder.getstate()[0])
        text = _decode(decoder, piece, offset, origin)
        if "\0" in text:
            _refuse_nul(offset - n_pending + len(text[: text.index("\0")].encode(encoding)), origin)
        offset += len(piece)
        yield text.encode()
    _decode(decoder, b"", offset, origin, final=True)


def _decode(decoder: codecs.IncrementalDecoder, piece: bytes, offset: int, origin: str, *, final: bool = False) -> str:
    n_pending = len(decoder.getstate()[0])
    try:
        return decoder.decode(piece, final)
    except UnicodeDecodeError as exc:
        byte = offset - n_pending + exc.start
        raise DataError(
            f"{origin} needs text in UTF-8 (or UTF-16 with a byte order mark); "
            f"got the byte 0x{exc.object[exc.start]:02x} at byte offset {byte}, which is not {exc.encoding}.",
            _HINT,
        ) from exc


def _refuse_nul(offset: int, origin: str) -> None:
    raise DataError(
        f"{origin} needs text; got a NUL byte at byte offset {offset}: "
        "it is not text, or UTF-16 without a byte order mark.",
        _HINT,
    )
